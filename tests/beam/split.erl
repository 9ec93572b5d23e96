%% Three processes that share one scheduler exactly 1 : 2 : 3.
%% Start with `+S 1:1`. A coordinator hands out identical quanta of work one at a time, so the shares are right
%% by construction whatever the machine does; it stops only at the end of a round, so the counts are exact too.
-module(split).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

-define(QUANTUM_US, 2000).
%% Interleaved rather than one after the other: neighbours in time are different processes.
-define(ROUND, [split_three, split_two, split_three, split_one, split_two, split_three]).

main() -> workload:run(?MODULE).

prepare() ->
    Rounds = workload:calibrate(fun(N) -> quantum(N, 1) end, ?QUANTUM_US),
    {[{quantum_us, ?QUANTUM_US}, {quantum_iterations, Rounds}], Rounds}.

start(Iterations) ->
    Names = [split_one, split_two, split_three],
    [register(Name, spawn_link(fun() -> worker(Name, Iterations, 0, 0) end)) || Name <- Names],
    Parent = self(),
    Coordinator = spawn_link(fun() ->
        Parent ! {begun, self()},
        coordinate()
    end),
    receive {begun, Coordinator} -> ok end,
    {[{atom_to_list(Name), whereis(Name)} || Name <- Names], Coordinator}.

stop(Coordinator) ->
    Coordinator ! {stop, self()},
    receive {stopped, Coordinator} -> ok end,
    Counts = [{Name, count(Name)} || Name <- [split_one, split_two, split_three]],
    {[], [{Name, Quanta} || {Name, {Quanta, _}} <- Counts] ++
         [{[atom_to_list(Name), "_ns"], Ns} || {Name, {_, Ns}} <- Counts]}.

coordinate() ->
    receive
        {stop, From} -> From ! {stopped, self()}
    after 0 ->
        lists:foreach(fun hand_out/1, ?ROUND),
        coordinate()
    end.

hand_out(Name) ->
    Name ! {quantum, self()},
    receive {finished, Name} -> ok end.

%% Counts its quanta and the time between their starts and ends.
worker(Name, Iterations, Quanta, Ns) ->
    receive
        {quantum, From} ->
            Start = workload:clock_ns(),
            _ = quantum(Iterations, Quanta + 1),
            Took = workload:clock_ns() - Start,
            From ! {finished, Name},
            worker(Name, Iterations, Quanta + 1, Ns + Took);
        {count, From} ->
            From ! {count, self(), {Quanta, Ns}}
    end.

count(Name) ->
    Pid = whereis(Name),
    Pid ! {count, self()},
    receive {count, Pid, Count} -> Count end.

%% Small integers only: no garbage, so a quantum costs the same in every process.
quantum(0, X) -> X;
quantum(N, X) -> quantum(N - 1, (X * 31 + N) rem 1000003).
