%% Names that are given and taken away, and as often are not: by whom the program itself has seen.
-module(registered).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, hold/0, race/4]).

main() -> workload:run(?MODULE).

prepare() ->
    Rounds = workload:env_int("ROUNDS", 100),
    Olds = [begin
                Pid = spawn(?MODULE, hold, []),
                true = register(name("old", N), Pid),
                Pid
            end || N <- lists:seq(1, Rounds)],
    {[{rounds, Rounds}], Olds}.

start(Olds) ->
    _ = [refused(fun() -> unregister(nobody_has_this_name) end) || _ <- lists:seq(1, workload:env_int("REFUSED", 20000))],
    Told = [round(N, Old) || {N, Old} <- lists:zip(lists:seq(1, length(Olds)), Olds)],
    {[], lists:append(Told)}.

%% What happened, one line each.
stop(Told) ->
    {[[{event, Event}, {name, Name}, {pid, Pid}] || {Event, Name, Pid} <- Told], []}.

round(N, Old) ->
    %% Of two at once one is too late.
    Raced = raced(name("raced", N), N rem 2),
    %% By one who does not have it, from one who had it before.
    true = unregister(name("old", N)),
    %% Of nobody, to nobody, to one who has another one, and to one who has it already.
    refused(fun() -> unregister(name("never", N)) end),
    {Dead, Monitor} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Monitor, process, Dead, _} -> ok end,
    refused(fun() -> register(name("dead", N), Dead) end),
    refused(fun() -> register(name("second", N), whereis(workload)) end),
    refused(fun() -> register(workload, Old) end),
    %% Ports have names too.
    Port = open_port({spawn_driver, "ram_file_drv"}, []),
    true = register(name("port", N), Port),
    refused(fun() -> register(name("port", N), Old) end),
    true = unregister(name("port", N)),
    true = port_close(Port),
    %% By another one.
    true = register(name("given", N), Old),
    true = unregister(name("given", N)),
    Old ! stop,
    Raced ++ [{unregister, name("old", N), Old}, {register, name("given", N), Old}, {unregister, name("given", N), Old}].

%% The one who gets it gives it up, or has it until its end.
raced(Name, GivesUp) ->
    Gate = atomics:new(1, []),
    Workers = [spawn(?MODULE, race, [Gate, Name, GivesUp, self()]) || _ <- [1, 2]],
    Won = [Pid || Pid <- Workers, receive {Pid, Result} -> Result end],
    _ = [Pid ! stop || Pid <- Workers],
    _ = [receive {Pid, stopped} -> ok end || Pid <- Workers],
    [Winner] = Won,
    [{register, Name, Winner}] ++ [{unregister, Name, Winner} || GivesUp =:= 1].

race(Gate, Name, GivesUp, To) ->
    atomics:add(Gate, 1, 1),
    wait(Gate),
    Won = try register(Name, self()) catch error:badarg -> false end,
    To ! {self(), Won},
    receive stop -> ok end,
    _ = [unregister(Name) || Won, GivesUp =:= 1],
    To ! {self(), stopped}.

wait(Gate) ->
    case atomics:get(Gate, 1) of
        2 -> ok;
        _ -> wait(Gate)
    end.

refused(Does) ->
    try Does() of true -> error(not_refused)
    catch error:badarg -> ok
    end.

hold() -> receive stop -> ok end.

name(What, N) -> list_to_atom(What ++ "_" ++ integer_to_list(N)).
