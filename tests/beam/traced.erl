%% Functions that are called a known number of times with known arguments, and what the VM says of tracing.
%% `count` has the worker call work/2 with 1 to 5, nested/1 with 10 (which calls work/2 with 10), secret/2, and fail/1 twice; FLOOD=1
%% has four processes call work/2 all the time besides. Its answer is of after that:
%%   worker=PID processes=N flags=N sessions=N patterns=N
%% how many processes there are, how many have trace flags, how many trace sessions there are that have the tracer's name, and how many
%% of the functions are traced.
-module(traced).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([work/2, nested/1, secret/2, fail/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Worker = spawn_link(fun() -> register(traced_worker, self()), serve() end),
    Plain = proc_lib:spawn_link(fun() -> register(traced_plain, self()), receive never -> ok end end),
    {[{worker, Worker}, {plain, Plain} | facts()], Worker}.

start(Worker) ->
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

facts() ->
    [{processes, length(processes())}, {flags, length([P || P <- processes(), is_traced(P)])}, {sessions, sessions()},
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
        false -> {traced, false} =/= erlang:trace_info({?MODULE, Function, Arity}, traced)
    end.
