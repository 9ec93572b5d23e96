%% Nothing but messages: PAIRS=2 pairs of processes send one message to and fro, millions of times a CPU second. Each
%% counts what it receives.
%%   counted messages=N clock_ns=N reductions=N     received so far, when, and what all processes have run
%%   done messages=N
-module(pingpong).
-behaviour(workload).
-export([main/0, prepare/0, start/1, count/1, stop/1, side/0]).

main() -> workload:run(?MODULE).

prepare() ->
    Pairs = workload:env_int("PAIRS", 2),
    {[{pairs, Pairs}], Pairs}.

start(Pairs) ->
    Sides = [{spawn_link(?MODULE, side, []), spawn_link(?MODULE, side, [])} || _ <- lists:seq(1, Pairs)],
    _ = [begin A ! {partner, B}, B ! {partner, A}, A ! ball end || {A, B} <- Sides],
    {[], Sides}.

count(Sides) ->
    Messages = messages(Sides),
    {Reductions, _} = statistics(exact_reductions),
    [{messages, Messages}, {clock_ns, workload:clock_ns()}, {reductions, Reductions}].

stop(Sides) -> {[], [{messages, messages(Sides)}]}.

messages(Sides) ->
    All = [Pid || {A, B} <- Sides, Pid <- [A, B]],
    _ = [Pid ! {count, self()} || Pid <- All],
    lists:sum([receive {count, Pid, Count} -> Count end || Pid <- All]).

side() -> receive {partner, Partner} -> play(Partner, 0) end.

play(Partner, Count) ->
    receive
        ball -> Partner ! ball, play(Partner, Count + 1);
        {count, From} -> From ! {count, self(), Count}, play(Partner, Count)
    end.
