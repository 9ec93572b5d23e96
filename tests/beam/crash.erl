%% A VM that dies by its own hand: after `go` the process `crash_deep` calls itself DEPTH=40 times and then has the VM
%% abort, without having been scheduled out in between.
-module(crash).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, deep/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Depth = workload:env_int("DEPTH", 40),
    Pid = spawn(fun() -> receive go -> deep(Depth) end end),
    register(crash_deep, Pid),
    {[{depth, Depth}, {deep, Pid}], Pid}.

start(Pid) ->
    Pid ! go,
    {[], Pid}.

stop(_) -> {[], []}.

deep(0) -> erlang:halt(abort);
deep(N) -> ok = deep(N - 1).
