%% Processes whose scheduler waits in the kernel: `nap_normal` calls nap:nap/1 and `nap_dirty` nap:dirty_nap/1 (see
%% nap.c), each ROUNDS=50 times for NAP_MS=10 after `go`, and `nap_spin` runs meanwhile and never waits.
%%   done normal_ns=N,N,... dirty_ns=N,N,... rounds=N     for how long they slept each time, by their own clock
-module(nap).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).
-nifs([nap/1, dirty_nap/1]).
-on_load(load/0).

main() -> workload:run(?MODULE).

%% The nappers are there before anybody watches, so that they have their names by then.
prepare() ->
    Rounds = workload:env_int("ROUNDS", 50),
    Ms = workload:env_int("NAP_MS", 10),
    Nappers = [napper(Name, Nap, Rounds, Ms) || {Name, Nap} <- [{nap_normal, fun nap/1}, {nap_dirty, fun dirty_nap/1}]],
    {[{rounds, Rounds}, {nap_ms, Ms}], {Rounds, Nappers}}.

napper(Name, Nap, Rounds, Ms) ->
    Owner = self(),
    Pid = spawn_link(fun() ->
        register(Name, self()),
        Owner ! {registered, Name},
        receive go -> ok end,
        Owner ! {slept, Name, [Nap(Ms) || _ <- lists:seq(1, Rounds)]}
    end),
    receive {registered, Name} -> Pid end.

start({Rounds, Nappers}) ->
    Spinner = workload:start_repeating(nap_spin, fun() -> 0 end, fun(N) -> lists:sum(lists:seq(1, 1000)) + N end),
    _ = [Pid ! go || Pid <- Nappers],
    {[{nappers, length(Nappers)}], {Rounds, Spinner}}.

stop({Rounds, Spinner}) ->
    [Normal, Dirty] = [receive {slept, Name, Ns} -> lists:join($,, [integer_to_list(N) || N <- Ns]) end
                       || Name <- [nap_normal, nap_dirty]],
    _ = workload:stop_repeating([Spinner]),
    {[], [{normal_ns, Normal}, {dirty_ns, Dirty}, {rounds, Rounds}]}.

load() -> erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "nap"), 0).

nap(_Ms) -> erlang:nif_error(not_loaded).
dirty_nap(_Ms) -> erlang:nif_error(not_loaded).
