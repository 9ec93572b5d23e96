%% Situations that last, told by the VM itself. frames_box_1 ... frames_box_6 take of their messages only what they are told
%% to; at each `count` they get new ones, and take the oldest of them. frames_young is spawned anew, and the one before it
%% ends. frames_busy never waits. Then, for some 30 ms, nothing of that changes:
%%   counted from_ns=N to_ns=N box_1=N ... box_6=N young=PID gone=PID
%% has how many messages lie in the mailbox of each box between these times, who is young and who has ended.
%% Each message is {note,N}; the N of a box go up from 1, and all come from the process `workload`.
-module(frames).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).

-define(BOXES, 6).

main() -> workload:run(?MODULE).

prepare() ->
    Boxes = [box(N) || N <- lists:seq(1, ?BOXES)],
    {[], Boxes}.

box(N) ->
    Name = list_to_atom("frames_box_" ++ integer_to_list(N)),
    Pid = spawn_link(fun() -> register(Name, self()), box() end),
    ok = take(Pid, 0),
    {N, Pid}.

box() ->
    receive
        {take, From, Count} ->
            ok = take_notes(Count),
            From ! {taken, self()},
            box()
    end.

take_notes(0) -> ok;
take_notes(Count) -> receive {note, _} -> take_notes(Count - 1) end.

take(Pid, Count) ->
    Pid ! {take, self(), Count},
    receive {taken, Pid} -> ok end.

start(Boxes) ->
    Busy = spawn_link(fun() -> register(frames_busy, self()), busy(0) end),
    {[], {Boxes, Busy}}.

stop({_, Busy}) ->
    unlink(Busy),
    exit(Busy, kill),
    {[], []}.

busy(N) -> busy((N * 7 + 1) rem 1000003).

count({Boxes, _}) ->
    Round = counter(round, 1),
    Gone = get(young),
    Lengths = [{box_key(N), turn(N, Pid, Round)} || {N, Pid} <- Boxes],
    Young = spawn(fun young/0),
    _ = put(young, Young),
    ok = call(Young),
    Ended = [{gone, ended(Gone)} || is_pid(Gone)],
    From = workload:clock_ns(),
    receive after 30 -> ok end,
    To = workload:clock_ns(),
    [{from_ns, From}, {to_ns, To}, {young, Young} | Lengths ++ Ended].

%% Box N gets some, and takes some.
turn(N, Pid, Round) ->
    Some = (Round * N) rem 7 + N,
    _ = [Pid ! {note, counter(N, 1)} || _ <- lists:seq(1, Some)],
    Length = counter({length, N}, Some),
    Taken = (Round + N) rem 5,
    ok = take(Pid, min(Taken, Length)),
    counter({length, N}, -min(Taken, Length)).

counter(Key, More) ->
    Value = case get(Key) of undefined -> 0; Before -> Before end + More,
    _ = put(Key, Value),
    Value.

box_key(N) -> list_to_atom("box_" ++ integer_to_list(N)).

young() ->
    receive
        {call, From} -> From ! {called, self()}, young();
        stop -> ok
    end.

call(Pid) ->
    Pid ! {call, self()},
    receive {called, Pid} -> ok end.

ended(Pid) ->
    Monitor = monitor(process, Pid),
    Pid ! stop,
    receive {'DOWN', Monitor, process, Pid, _} -> Pid end.
