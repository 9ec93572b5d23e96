%% Far more events than anybody can watch. CHAINS=50 processes each spawn a successor and end, as fast as they can, and
%% FLOODS=10 mailboxes get bursts of BURST=1000 messages, which their owners take out when the last one has come.
%% With REST_MS=N a chain rests for that long after BURST links, and a flood after each burst.
%%   done spawns=N messages=N     all there were
-module(storm).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, link_of_chain/1]).

-define(SPAWNS, 1).
-define(MESSAGES, 2).
-define(STOP, 3).

main() -> workload:run(?MODULE).

prepare() ->
    {[], counters:new(3, [])}.

start(Counters) ->
    Chains = workload:env_int("CHAINS", 50),
    Floods = workload:env_int("FLOODS", 10),
    Burst = workload:env_int("BURST", 1000),
    RestMs = workload:env_int("REST_MS", 0),
    persistent_term:put(?MODULE, {Counters, self(), Burst, RestMs}),
    _ = [spawn(?MODULE, link_of_chain, [N]) || N <- lists:seq(1, Chains)],
    _ = [flood(Burst, RestMs, Counters) || _ <- lists:seq(1, Floods)],
    {[{chains, Chains}, {floods, Floods}], {Counters, Chains, Floods}}.

stop({Counters, Chains, Floods}) ->
    counters:put(Counters, ?STOP, 1),
    _ = [receive chain_ends -> ok end || _ <- lists:seq(1, Chains)],
    _ = [receive flood_ends -> ok end || _ <- lists:seq(1, Floods)],
    {[], [{spawns, counters:get(Counters, ?SPAWNS)}, {messages, counters:get(Counters, ?MESSAGES)}]}.

link_of_chain(N) ->
    {Counters, Owner, Burst, RestMs} = persistent_term:get(?MODULE),
    counters:add(Counters, ?SPAWNS, 1),
    _ = [timer:sleep(RestMs) || RestMs > 0, counters:get(Counters, ?SPAWNS) rem Burst =:= 0],
    case counters:get(Counters, ?STOP) of
        0 -> spawn(?MODULE, link_of_chain, [N]);
        1 -> Owner ! chain_ends
    end.

flood(Burst, RestMs, Counters) ->
    Owner = self(),
    Mailbox = spawn(fun() -> take() end),
    spawn(fun() -> pour(Mailbox, Burst, RestMs, Counters, Owner) end).

pour(Mailbox, Burst, RestMs, Counters, Owner) ->
    _ = [Mailbox ! {drop, N} || N <- lists:seq(1, Burst)],
    Mailbox ! {last, self()},
    receive all_taken -> counters:add(Counters, ?MESSAGES, Burst) end,
    _ = [timer:sleep(RestMs) || RestMs > 0],
    case counters:get(Counters, ?STOP) of
        0 -> pour(Mailbox, Burst, RestMs, Counters, Owner);
        1 -> Owner ! flood_ends
    end.

take() ->
    receive {last, From} -> From ! all_taken end,
    drop(),
    take().

drop() -> receive {drop, _} -> drop() after 0 -> ok end.
