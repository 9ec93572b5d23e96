%% Capture inside of the VM, as tools do it that instrument functions: a table of fixed size in which the oldest event is
%% overwritten, and an atomic for where the next one goes. Nobody reads it, nothing is written to disk, no process is
%% asked: that is the least that such a tool costs.
-module(bench_ring).
-export([open/0, write/2, close/0]).

-define(SIZE, 65536).

open() ->
    Table = ets:new(?MODULE, [public, {write_concurrency, true}]),
    persistent_term:put(?MODULE, {Table, atomics:new(1, [])}).

write(Kind, What) ->
    {Table, Next} = persistent_term:get(?MODULE),
    Index = atomics:add_get(Next, 1, 1),
    ets:insert(Table, {Index band (?SIZE - 1), Index, erlang:monotonic_time(), self(), Kind, What}).

%% How many events there were.
close() ->
    {Table, Next} = persistent_term:get(?MODULE),
    Events = atomics:get(Next, 1),
    %% Whoever writes must have stopped.
    ets:delete(Table),
    persistent_term:erase(?MODULE),
    Events.
