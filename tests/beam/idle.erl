%% A VM with next to nothing to do. IDLE_MODE=idle (default): no process runs between `go` and `stop`.
%% IDLE_MODE=wake: WAKERS=1 processes idle_waker_N sleep WAKE_MS=1 at a time and go straight back to sleep, so the
%% CPU seen is busy waiting of the schedulers and the way in and out of sleep. `wakeups` counts them.
-module(idle).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

main() -> workload:run(?MODULE).

prepare() ->
    case os:getenv("IDLE_MODE", "idle") of
        "idle" -> {[{mode, idle}], []};
        "wake" ->
            Wakers = workload:env_int("WAKERS", 1),
            Ms = workload:env_int("WAKE_MS", 1),
            {[{mode, wake}, {wakers, Wakers}, {wake_ms, Ms}], [{N, Ms} || N <- lists:seq(1, Wakers)]}
    end.

start(Wakers) -> {[], [start_waker(Waker) || Waker <- Wakers]}.

start_waker({N, Ms}) ->
    Pid = spawn_link(fun() -> waker(Ms, 0) end),
    register(list_to_atom("idle_waker_" ++ integer_to_list(N)), Pid),
    Pid.

stop(Pids) ->
    _ = [Pid ! {stop, self()} || Pid <- Pids],
    Counts = [receive {wakeups, Pid, Count} -> Count end || Pid <- Pids],
    {[], [{wakeups, lists:sum(Counts)}]}.

waker(Ms, Wakeups) ->
    receive
        {stop, From} -> From ! {wakeups, self(), Wakeups}
    after Ms ->
        waker(Ms, Wakeups + 1)
    end.
