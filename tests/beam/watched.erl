%% Calls of every kind, each counted by who makes it.
%% WORKERS=4 processes, registered as watched_1 ..., go ROUNDS=50 times through the kinds: target/1 is called locally, by its
%% full name, as the last call of another function, by apply, by funs of both sorts and as the first function of a process;
%% body/1 calls itself and does something with the result; loop/2 calls itself as the last thing it does, in the end
%% LONG=9000 times in a row, which no process may without others getting their turn; sleeper/2 hibernates and is woken in
%% woken/1; described/9 has an argument of each kind. `never/0` is never called.
%% `count` calls again/1 of the module watched_again AGAIN=100 times, and then loads that module anew.
%% It is ready with the pid of watched_1. `stop` waits until all have finished. The last line has the sums:
%%   target=N local=N full=N tail=N apply=N fun=N closure=N first=N body=N loop=N woken=N described=N again=N
-module(watched).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([target/1, body/1, loop/2, woken/1, described/9, never/0, sleeper/2]).

-define(KINDS, [local, full, tail, apply, 'fun', closure, first]).

main() -> workload:run(?MODULE).

prepare() ->
    {module, watched_again} = code:ensure_loaded(watched_again),
    Rounds = workload:env_int("ROUNDS", 50),
    Long = workload:env_int("LONG", 9000),
    Workers = [worker(N, Rounds, Long) || N <- lists:seq(1, workload:env_int("WORKERS", 4))],
    {_, First} = process_info(hd(Workers), registered_name),
    {[{rounds, Rounds}, {workers, length(Workers)}, {First, hd(Workers)}], Workers}.

worker(N, Rounds, Long) ->
    Name = list_to_atom("watched_" ++ integer_to_list(N)),
    Worker = spawn_link(fun() ->
        Empty = maps:from_list([{Kind, 0} || Kind <- [body, loop, woken, described | ?KINDS]]),
        %% From a message, so that the compiler does not know what is called.
        {From, How} = receive {go, Who, What} -> {Who, What} end,
        From ! {begun, self()},
        Counts = rounds(Rounds, How, Empty),
        Long = loop(Long, 0),
        Sum = maps:fold(fun(_, Count, Sum) -> Sum + Count end, 0, maps:with(?KINDS, Counts)),
        From ! {done, self(), Counts#{target => Sum, loop := maps:get(loop, Counts) + Long + 1}},
        receive never -> ok end
    end),
    register(Name, Worker),
    Worker.

start(Workers) ->
    How = {?MODULE, target, fun ?MODULE:target/1, fun target/1},
    _ = [Worker ! {go, self(), How} || Worker <- Workers],
    _ = [receive {begun, Worker} -> ok end || Worker <- Workers],
    {[{workers, length(Workers)}], {Workers, 0}}.

%% How often it was called before it is loaded anew is the state of nobody: so it is in the dictionary.
count(_) ->
    Times = workload:env_int("AGAIN", 100),
    Times = watched_again:times(Times, 0),
    All = Times + case get(again) of undefined -> 0; Before -> Before end,
    put(again, All),
    _ = code:purge(watched_again),
    {module, watched_again} = code:load_file(watched_again),
    [{again, All}].

stop({Workers, _}) ->
    Counts = [receive {done, Worker, Counts} -> Counts end || Worker <- Workers],
    Sum = fun(Kind) -> lists:sum([maps:get(Kind, Count) || Count <- Counts]) end,
    Again = case get(again) of undefined -> 0; Times -> Times end,
    {[], [{Kind, Sum(Kind)} || Kind <- [target, body, loop, woken, described | ?KINDS]] ++ [{again, Again}]}.

rounds(0, _, Counts) -> Counts;
rounds(N, {Module, Function, Fun, Closure} = How, Counts) ->
    N = target(N),
    N = ?MODULE:target(N),
    N = by_tail(N),
    N = apply(Module, Function, [N]),
    N = Fun(N),
    N = Closure(N),
    finished(spawn_monitor(?MODULE, target, [N])),
    21 = body(20),
    30 = loop(30, 0),
    finished(spawn_monitor(?MODULE, sleeper, [self(), 2])),
    9 = described(ok, -7, [], [1], {point, 1, 2}, #{a => N}, <<"12345">>, 1.5, fun(A, B) -> {A, B, N} end),
    More = [{Kind, 1} || Kind <- ?KINDS] ++ [{body, 21}, {loop, 31}, {woken, 2}, {described, 1}],
    rounds(N - 1, How, lists:foldl(fun({Kind, By}, Sum) -> maps:update_with(Kind, fun(C) -> C + By end, Sum) end,
                                   Counts, More)).

finished({Pid, Monitor}) ->
    receive {'DOWN', Monitor, process, Pid, normal} -> ok end.

target(N) -> N.

by_tail(N) -> target(N).

body(0) -> 1;
body(N) -> 1 + body(N - 1).

loop(0, Done) -> Done;
loop(N, Done) -> loop(N - 1, Done + 1).

%% Wakes itself, so that nobody has to wait until it sleeps.
sleeper(Parent, Times) ->
    self() ! wake,
    erlang:hibernate(?MODULE, woken, [{Parent, Times}]).

woken({_, 1}) -> receive wake -> ok end;
woken({Parent, Times}) ->
    receive wake -> sleeper(Parent, Times - 1) end.

described(_, _, _, _, _, _, _, _, _) -> 9.

never() -> never.
