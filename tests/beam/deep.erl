%% Stacks of known depth. For each D in DEPTHS=10,100,500,1000,20000:
%%   deep_spin_D  spins in deep:spin/2 above exactly D frames of deep:down/2
%%   deep_park_D  waits in deep:park/0 above exactly D frames of deep:down/2
-module(deep).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Depths = workload:env_words("DEPTHS", os:getenv("DEPTH", "10,100,500,1000,20000")),
    {[{depths, lists:join($,, Depths)}], [list_to_integer(Depth) || Depth <- Depths]}.

start(Depths) ->
    Parent = self(),
    Pids = [start_one(Kind, Depth, Parent) || Depth <- Depths, Kind <- [spin, park]],
    _ = [receive {at_depth, Pid} -> ok end || Pid <- Pids],
    {[], {Depths, Pids}}.

start_one(Kind, Depth, Parent) ->
    Pid = spawn_link(fun() -> report_depth(Kind, Depth, Parent) end),
    register(list_to_atom(lists:concat(["deep_", Kind, "_", Depth])), Pid),
    Pid.

%% The returned value counts the frames once more, on the way back up.
report_depth(Kind, Depth, Parent) ->
    {Frames, Rounds, From} = down(Depth, {Kind, Parent}),
    From ! {climbed, self(), Frames, Rounds}.

stop({Depths, Pids}) ->
    _ = [Pid ! {stop, self()} || Pid <- Pids],
    Results = [receive {climbed, Pid, Frames, Rounds} -> {Frames, Rounds} end || Pid <- Pids],
    Keys = [lists:concat([Kind, "_", Depth]) || Depth <- Depths, Kind <- [spin, park]],
    {[], lists:append([[{[Key, "_frames"], Frames}, {[Key, "_rounds"], Rounds}] || {Key, {Frames, Rounds}} <- lists:zip(Keys, Results)])}.

%% The last call is a tail call, so the leaf takes the place of down(0, _).
down(0, {Kind, Parent}) ->
    Parent ! {at_depth, self()},
    leaf(Kind);
down(N, Leaf) ->
    {Frames, Rounds, From} = down(N - 1, Leaf),
    {Frames + 1, Rounds, From}.

leaf(spin) -> spin(1, 0);
leaf(park) -> park().

spin(X, Rounds) ->
    receive
        {stop, From} -> {0, Rounds, From}
    after 0 ->
        spin(mix(1000, X), Rounds + 1)
    end.

mix(0, X) -> X;
mix(N, X) -> mix(N - 1, (X * 19 + N) rem 65521).

park() ->
    receive {stop, From} -> {0, 0, From} end.
