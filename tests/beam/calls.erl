%% Calls of every fate, each counted by who calls. CLIENTS=4 of them go ROUNDS=25 times through:
%%   direct   to calls_direct, which answers at once; every 5th time it waits for 20 ms first (slow)
%%   front    to calls_front, which lets calls_back answer
%%   late     to calls_late, which answers after 12 ms, when the client has given up after 4; then once more, answered
%%   silent   to calls_silent, which never answers
%%   pair     two at once to calls_pair, which takes both before it answers either
%%   boom     a process that it spawns and that ends with the reason boom
%% `stop` waits until all have finished. One line each, and the sums in the last one:
%%   client=<0.N.S> direct=N slow=N front=N late=N silent=N pair=N boom=N
-module(calls).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, boom/0]).

-define(KINDS, [direct, slow, front, late, silent, pair, boom]).

main() -> workload:run(?MODULE).

prepare() ->
    _ = [register(Name, spawn_link(Loop)) || {Name, Loop} <- [
        {calls_direct, fun direct/0}, {calls_front, fun front/0}, {calls_back, fun back/0},
        {calls_late, fun late/0}, {calls_silent, fun silent/0}, {calls_pair, fun pair/0}]],
    Rounds = workload:env_int("ROUNDS", 25),
    Clients = [spawn_link(fun() ->
        receive {go, From} -> From ! {done, self(), work(Rounds, #{})} end,
        receive never -> ok end
    end) || _ <- lists:seq(1, workload:env_int("CLIENTS", 4))],
    {[{rounds, Rounds}], Clients}.

start(Clients) ->
    _ = [Client ! {go, self()} || Client <- Clients],
    {[{clients, length(Clients)}], Clients}.

stop(Clients) ->
    Counts = [receive {done, Client, Counts} -> Counts end || Client <- Clients],
    Lines = [[{client, Client} | facts(Of)] || {Client, Of} <- lists:zip(Clients, Counts)],
    Sum = lists:foldl(fun(One, Sum) -> maps:merge_with(fun(_, A, B) -> A + B end, One, Sum) end, #{}, Counts),
    {Lines, facts(Sum)}.

facts(Counts) -> [{Kind, maps:get(Kind, Counts, 0)} || Kind <- ?KINDS].

work(0, Counts) -> Counts;
work(N, Counts) ->
    {Request, Direct} = case N rem 5 of 0 -> {slow, [direct, slow]}; _ -> {now, [direct]} end,
    {ok, Request} = gen:call(calls_direct, '$gen_call', Request, 60000),
    {ok, N} = gen:call(calls_front, '$gen_call', N, 60000),
    {'EXIT', _} = (catch gen:call(calls_late, '$gen_call', late, 4)),
    {ok, now} = gen:call(calls_late, '$gen_call', now, 60000),
    {'EXIT', _} = (catch gen:call(calls_silent, '$gen_call', N, 2)),
    One = gen_server:send_request(calls_pair, one),
    Two = gen_server:send_request(calls_pair, two),
    {reply, one} = gen_server:receive_response(One, 60000),
    {reply, two} = gen_server:receive_response(Two, 60000),
    {_, Monitor} = spawn_monitor(?MODULE, boom, []),
    receive {'DOWN', Monitor, process, _, boom} -> ok end,
    Did = Direct ++ [front, late, late, silent, pair, pair, boom],
    work(N - 1, lists:foldl(fun(Kind, Of) -> maps:update_with(Kind, fun(C) -> C + 1 end, 1, Of) end, Counts, Did)).

boom() -> exit(boom).

direct() ->
    receive
        {'$gen_call', From, slow} ->
            receive after 20 -> ok end,
            gen:reply(From, slow);
        {'$gen_call', From, now} ->
            gen:reply(From, now)
    end,
    direct().

front() ->
    receive {'$gen_call', From, N} -> calls_back ! {answer, From, N} end,
    front().

back() ->
    receive {answer, From, N} -> gen:reply(From, N) end,
    back().

late() ->
    receive
        {'$gen_call', From, late} ->
            receive after 12 -> ok end,
            gen:reply(From, late);
        {'$gen_call', From, now} ->
            gen:reply(From, now)
    end,
    late().

silent() ->
    receive {'$gen_call', _, _} -> silent() end.

pair() ->
    receive
        {'$gen_call', {Client, _} = One, one} ->
            receive
                {'$gen_call', {Client, _} = Two, two} ->
                    gen:reply(Two, two),
                    gen:reply(One, one)
            end
    end,
    pair().
