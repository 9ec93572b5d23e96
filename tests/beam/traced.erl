%% Functions that are called a known number of times with known arguments, and what the VM says of tracing.
%% `count` has the worker call work/2 with 1 to 5, nested/1 with 10 (which calls work/2 with 10), secret/2, and fail/1 twice; FLOOD=1
%% has four processes call work/2 all the time besides, PACE=MS one every so many milliseconds, and OTHERS=1 has somebody else trace
%% calls of the worker, of secret/2 alone. Its answer is of after that:
%%   worker=PID processes=N flags=N sessions=N patterns=N has_sessions=0|1 theirs=N
%% how many processes there are, how many have trace flags, how many trace sessions there are that have the tracer's name, and how many
%% of the functions are traced; theirs is how many trace messages the somebody has got.
-module(traced).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([work/2, nested/1, secret/2, fail/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Worker = spawn_link(fun() -> register(traced_worker, self()), serve() end),
    Plain = proc_lib:spawn_link(fun() -> register(traced_plain, self()), receive never -> ok end end),
    Them = spawn_link(fun() -> others(0) end),
    true = register(traced_others, Them),
    {[{worker, Worker}, {plain, Plain}, {others, Them} | facts()], Worker}.

start(Worker) ->
    _ = [spawn_link(fun() -> paced(Pace) end) || Pace <- [workload:env_int("PACE", 0)], Pace > 0],
    _ = [others_trace(Worker) || workload:env_int("OTHERS", 0) > 0],
    _ = [spawn_link(fun() -> flood(N) end) || N <- lists:seq(1, 4 * workload:env_int("FLOOD", 0))],
    {[], Worker}.

count(Worker) ->
    Worker ! {go, self()},
    receive {gone, Worker} -> [{worker, Worker} | facts()] end.

stop(_) -> {[], facts()}.

serve() ->
    receive {go, From} ->
        [{done, N, Size} = ?MODULE:work(N, #{size => Size}) || {N, Size} <- [{N, N * 100} || N <- lists:seq(1, 5)]],
        {nested, {done, 10, 1000}} = ?MODULE:nested(10),
        _ = ?MODULE:secret(password, "hunter2"),
        [{'EXIT', {oops, _}} = (catch ?MODULE:fail(N)) || N <- [1, 2]],
        From ! {gone, self()},
        serve()
    end.

work(N, #{size := Size}) -> {done, N, Size}.

nested(N) -> {nested, ?MODULE:work(N, #{size => N * 100})}.

secret(_, Word) -> {password, Word}.

fail(_) -> error(oops).

flood(N) ->
    _ = ?MODULE:work(N, #{size => 0}),
    flood(N).

paced(Pace) ->
    _ = ?MODULE:work(Pace, #{size => 0}),
    receive after Pace -> paced(Pace) end.

others_trace(Worker) ->
    1 = erlang:trace(Worker, true, [call, {tracer, whereis(traced_others)}]),
    1 = erlang:trace_pattern({?MODULE, secret, 2}, true, [local]).

others(N) ->
    receive
        {theirs, From} -> From ! {theirs, N}, others(N);
        _ -> others(N + 1)
    end.

%% What is on its way to them is there when the VM says so.
theirs() ->
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end,
    traced_others ! {theirs, self()},
    receive {theirs, N} -> N end.

has_sessions_number() ->
    _ = code:ensure_loaded(trace),
    case has_sessions() of true -> 1; false -> 0 end.

facts() ->
    [{has_sessions, has_sessions_number()}, {theirs, theirs()}, {processes, length(processes())}, {flags, length([P || P <- processes(), is_traced(P)])}, {sessions, sessions()},
     {patterns, length([F || F <- [{work, 2}, {nested, 1}, {secret, 2}, {fail, 1}], has_pattern(F)])}].

has_sessions() -> erlang:function_exported(trace, session_info, 1).

sessions() ->
    _ = code:ensure_loaded(trace),
    case has_sessions() of
        true -> length([Name || {Name, _} <- apply(trace, session_info, [all]), Name =:= escope_bpf]);
        false -> 0
    end.

is_traced(Pid) ->
    case has_sessions() of
        true -> is_list(S = apply(trace, session_info, [Pid])) andalso S =/= [];
        false ->
            case erlang:trace_info(Pid, flags) of
                {flags, [_ | _]} -> true;
                _ -> false
            end
    end.

has_pattern({Function, Arity}) ->
    case has_sessions() of
        true -> [] =/= apply(trace, session_info, [{?MODULE, Function, Arity}]);
        false -> {all, false} =/= erlang:trace_info({?MODULE, Function, Arity}, all)
    end.
