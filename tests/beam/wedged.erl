%% A VM that answers nobody. After `running` process `parked` rests with three messages, and wedged_1 to wedged_N, one
%% bound to each scheduler, wait. `stop` sends them into a NIF that does not come back for SECONDS=10: nothing else
%% runs then. Afterwards one line for each: process=NAME from_ns=N to_ns=N, when it was in there.
-module(wedged).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, wedge/3, park/0]).

main() -> workload:run(?MODULE).

prepare() ->
    {module, wl_nif} = code:ensure_loaded(wl_nif),
    {[{schedulers, erlang:system_info(schedulers_online)}], workload:env_int("SECONDS", 10)}.

start(Seconds) ->
    Parked = spawn(?MODULE, park, []),
    register(parked, Parked),
    _ = [Parked ! {note, N} || N <- [1, 2, 3]],
    Here = self(),
    Pids = [spawn_opt(?MODULE, wedge, [Here, N, Seconds * 1000], [link, {scheduler, N}])
            || N <- lists:seq(1, erlang:system_info(schedulers_online))],
    _ = [receive {ready, Pid} -> ok end || Pid <- Pids],
    {[], Pids}.

wedge(Starter, N, Ms) ->
    Name = list_to_atom("wedged_" ++ integer_to_list(N)),
    register(Name, self()),
    Starter ! {ready, self()},
    receive go -> ok end,
    From = workload:clock_ns(),
    {spin, _} = wl_nif:spin(Ms),
    Starter ! {returned, self(), [{process, Name}, {from_ns, From}, {to_ns, workload:clock_ns()}]}.

park() -> receive stop -> ok end.

stop(Pids) ->
    _ = [Pid ! go || Pid <- Pids],
    Lines = [receive {returned, Pid, Facts} -> Facts end || Pid <- Pids],
    {Lines, [{returned, length(Lines)}]}.
