%% Processes that are in one of two states and nowhere else while they rest. PAIRS=20 pairs send one another a
%% token: a process waits in low/1 below 3 calls of down/3, or in high/1 below 9 of them. It goes from one to the
%% other thousands of times a second. So whoever looks from outside sees, of a process that rested, low/1 on 3 or
%% high/1 on 9, never anything else. In low/1 it monitors nobody and has the key low in its dictionary, in high/1
%% it has two monitors and the key high.
-module(flip).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, side/1, down/3]).

-define(LOW, 3).
-define(HIGH, 9).

main() -> workload:run(?MODULE).

prepare() ->
    Pairs = workload:env_int("PAIRS", 20),
    {[{pairs, Pairs}, {low, ?LOW}, {high, ?HIGH}], Pairs}.

start(Pairs) ->
    Sides = [{spawn_link(?MODULE, side, [0]), spawn_link(?MODULE, side, [0])} || _ <- lists:seq(1, Pairs)],
    _ = [begin A ! {partner, B}, B ! {partner, A}, A ! token end || {A, B} <- Sides],
    {[], Sides}.

stop(Sides) ->
    Flips = [ask(Pid) || {A, B} <- Sides, Pid <- [A, B]],
    {[], [{flips, lists:sum(Flips)}]}.

ask(Pid) ->
    Pid ! {stop, self()},
    receive {flips, Pid, Count} -> Count end.

side(Count) ->
    receive {partner, Partner} -> flip(Partner, Count) end.

flip(Partner, Count) ->
    _ = [demonitor(Ref) || Ref <- case erase(high) of undefined -> []; Refs -> Refs end],
    put(low, Count),
    case down(?LOW - 1, low, Partner) of
        {stop, From} -> From ! {flips, self(), Count};
        token ->
            _ = erase(low),
            put(high, [monitor(process, Partner), monitor(process, Partner)]),
            case down(?HIGH - 1, high, Partner) of
                {stop, From} -> From ! {flips, self(), Count};
                token -> flip(Partner, Count + 1)
            end
    end.

%% Not a tail call, so each level is on the stack.
down(0, low, Partner) -> kept(low(Partner));
down(0, high, Partner) -> kept(high(Partner));
down(N, State, Partner) -> kept(down(N - 1, State, Partner)).

%% A partner that has stopped is told of by its monitors: that waits.
low(Partner) -> pass(receive token -> token; {stop, _} = Stop -> Stop end, Partner).
high(Partner) -> pass(receive token -> token; {stop, _} = Stop -> Stop end, Partner).

pass(token, Partner) -> Partner ! token, token;
pass(Stop, _) -> Stop.

kept(Result) -> Result.
