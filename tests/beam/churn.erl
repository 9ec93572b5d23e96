%% Processes that live for about a millisecond, started as fast as they end.
%% churn_proc_lib starts churn:job/1 through proc_lib:spawn (initial call churn:job/1),
%% churn_plain starts churn:bare_job/1 with a plain spawn; each keeps WIDTH=4 of them alive.
-module(churn).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, job/1, bare_job/1]).

-define(JOB_US, 1000).

main() -> workload:run(?MODULE).

prepare() ->
    Iterations = workload:calibrate(fun(N) -> work(N, 1) end, ?JOB_US),
    Width = workload:env_int("WIDTH", 4),
    {[{job_us, ?JOB_US}, {width, Width}], {Iterations, Width}}.

start({Iterations, Width}) ->
    ProcLib = fun() -> monitor(process, proc_lib:spawn(?MODULE, job, [Iterations])) end,
    Plain = fun() -> element(2, spawn_monitor(?MODULE, bare_job, [Iterations])) end,
    {[], [start_spawner(Name, Spawn, Width) || {Name, Spawn} <- [{churn_proc_lib, ProcLib}, {churn_plain, Plain}]]}.

start_spawner(Name, Spawn, Width) ->
    Parent = self(),
    Pid = spawn_link(fun() ->
        register(Name, self()),
        _ = [Spawn() || _ <- lists:seq(1, Width)],
        Parent ! {begun, self()},
        spawner(Spawn, Width, 0)
    end),
    receive {begun, Pid} -> Pid end.

stop(Pids) ->
    _ = [Pid ! {stop, self()} || Pid <- Pids],
    [ProcLib, Plain] = [receive {finished, Pid, Jobs} -> Jobs end || Pid <- Pids],
    {[], [{proc_lib_jobs, ProcLib}, {plain_jobs, Plain}]}.

%% A job that ends is counted and replaced.
spawner(Spawn, Width, Jobs) ->
    receive
        {'DOWN', _, process, _, normal} ->
            Spawn(),
            spawner(Spawn, Width, Jobs + 1);
        {stop, From} ->
            From ! {finished, self(), drain(Width, Jobs)}
    end.

drain(0, Jobs) -> Jobs;
drain(Alive, Jobs) ->
    receive {'DOWN', _, process, _, normal} -> drain(Alive - 1, Jobs + 1) end.

job(Iterations) -> {done, work(Iterations, 1)}.

bare_job(Iterations) -> {done, work(Iterations, 2)}.

work(0, X) -> X;
work(N, X) -> work(N - 1, (X * 37 + N) rem 1000003).
