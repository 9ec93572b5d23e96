%% Messages of every kind, each counted by who sends it and by who gets it, and everything else that ties processes.
%% PAIRS=20 workers, each with a server of its own, half of which keep their mailboxes off heap. A worker goes ROUNDS=800
%% times through the kinds:
%%   note     a plain message to its server
%%   cast     {'$gen_cast', _} to it
%%   call     a request by gen:call/3 to it, and its reply, every other time to an alias
%%   late     a message to it from a timer
%%   timeout  {timeout, Ref, _} to itself, received selectively among others
%%   down     of a process that it spawns and monitors, and which ends with `boom`
%%   exit     of one that it spawns and links to, and which ends with {shutdown, N}
%%   lost     to a process that has ended
%%   race     to a process that has just been spawned and is about to end without receiving
%% and besides links to its server and back, monitors it and stops that, registers a name and gives it up.
%% `stop` waits until all have finished. One line each, and the sums in the last one:
%%   worker=<0.N.S> server=<0.N.S> notes=N casts=N calls=N lates=N timeouts=N downs=N exits=N lost=N races=N
%%   worker_reductions=N server_reductions=N
%% The reductions are those since the workers began. The last line has two readings of the count of all collections,
%% each with times before and after it: gc_before_ns=N gc_from_ns=N ... gc_to_ns=N gc_after_ns=N collections=N.
-module(traffic).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, end_at_once/0, end_with/1]).

-define(KINDS, [notes, casts, calls, lates, timeouts, downs, exits, lost, races]).

main() -> workload:run(?MODULE).

prepare() ->
    Rounds = workload:env_int("ROUNDS", 800),
    Dead = spawn(?MODULE, end_at_once, []),
    Pairs = [pair(N, Rounds, Dead) || N <- lists:seq(1, workload:env_int("PAIRS", 20))],
    {[{rounds, Rounds}], Pairs}.

pair(N, Rounds, Dead) ->
    Data = case N rem 2 of 0 -> on_heap; 1 -> off_heap end,
    Server = spawn_opt(fun() -> server(#{}) end, [link, {message_queue_data, Data}]),
    Name = list_to_atom("worker_" ++ integer_to_list(N)),
    Worker = spawn_link(fun() ->
        process_flag(trap_exit, true),
        receive {go, From} -> work(Rounds, Server, Dead, Name), From ! {done, self()} end,
        receive never -> ok end
    end),
    {Worker, Server}.

start(Pairs) ->
    Collected = collected(),
    Before = [{reductions(Worker), reductions(Server)} || {Worker, Server} <- Pairs],
    _ = [Worker ! {go, self()} || {Worker, _} <- Pairs],
    {[{pairs, length(Pairs)}], {Pairs, Before, Collected}}.

stop({Pairs, Before, {Earlier, Count, From}}) ->
    _ = [receive {done, Worker} -> ok end || {Worker, _} <- Pairs],
    {To, Counted, After} = collected(),
    Rounds = workload:env_int("ROUNDS", 800),
    Lines = [line(Pair, Begun, Rounds) || {Pair, Begun} <- lists:zip(Pairs, Before)],
    {Lines, [{pairs, length(Pairs)}, {gc_before_ns, Earlier}, {gc_from_ns, From}, {gc_to_ns, To}, {gc_after_ns, After},
             {collections, Counted - Count}]}.

collected() ->
    Before = workload:clock_ns(),
    {Count, _, _} = statistics(garbage_collection),
    {Before, Count, workload:clock_ns()}.

line({Worker, Server}, {WorkerBegun, ServerBegun}, Rounds) ->
    %% Before it is asked, which costs it reductions.
    Used = [{worker_reductions, reductions(Worker) - WorkerBegun}, {server_reductions, reductions(Server) - ServerBegun}],
    Server ! {counts, self()},
    Got = receive {counts, Server, Counts} -> Counts end,
    Rounds = map_get(notes, Got),
    [{worker, Worker}, {server, Server}] ++
        [{Kind, maps:get(Kind, Got, Rounds)} || Kind <- ?KINDS] ++ Used.

reductions(Pid) -> element(2, process_info(Pid, reductions)).

work(0, _, _, _) -> ok;
work(N, Server, Dead, Name) ->
    Server ! {note, N},
    Server ! {'$gen_cast', {cast, N}},
    %% With a timeout the reply goes to an alias, without one straight back.
    {ok, N} = gen:call(Server, '$gen_call', {call, N}, case N rem 2 of 0 -> infinity; 1 -> 60000 end),
    _ = erlang:send_after(0, Server, {late, N}),
    Timer = erlang:start_timer(0, self(), N),
    receive {timeout, Timer, N} -> ok end,
    {Watched, Monitor} = spawn_monitor(?MODULE, end_with, [boom]),
    receive {'DOWN', Monitor, process, Watched, boom} -> ok end,
    Linked = spawn_link(?MODULE, end_with, [{shutdown, N}]),
    receive {'EXIT', Linked, {shutdown, N}} -> ok end,
    Dead ! {lost, N},
    spawn(?MODULE, end_at_once, []) ! {race, N},
    true = link(Server),
    true = unlink(Server),
    true = demonitor(monitor(process, Server)),
    true = register(Name, self()),
    true = unregister(Name),
    work(N - 1, Server, Dead, Name).

end_with(Reason) -> exit(Reason).

end_at_once() -> ok.

server(Counts) ->
    Count = fun(Kind) -> server(maps:update_with(Kind, fun(N) -> N + 1 end, 1, Counts)) end,
    receive
        {note, _} -> Count(notes);
        {'$gen_cast', _} -> Count(casts);
        {'$gen_call', From, {call, N}} -> gen:reply(From, N), Count(calls);
        {late, _} -> Count(lates);
        %% Timers may be late: what they send belongs to the counts.
        {counts, From} when map_get(lates, Counts) =:= map_get(notes, Counts) ->
            From ! {counts, self(), Counts},
            server(Counts)
    end.
