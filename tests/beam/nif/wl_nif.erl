%% Native code on every kind of thread: process wl_MODE repeats wl_nif:MODE/1, which burns CPU in C (see wl_nif.c).
%% wl_nif.so must lie beside wl_nif.beam. WL_MODES=spin,dirty_spin restricts the run; WL_MS=5 is the length
%% of one call. `done` gives per mode the calls, and as MODE_rounds how often the C leaf ran.
-module(wl_nif).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).
-export([spin/1, dirty_spin/1, dirty_io_spin/1, thread_spin/1]).
-nifs([spin/1, dirty_spin/1, dirty_io_spin/1, thread_start/1, thread_join/1]).
-on_load(load/0).

main() -> workload:run(?MODULE).

prepare() ->
    Modes = [list_to_existing_atom(Mode) || Mode <- workload:env_words("WL_MODES", "spin,dirty_spin,dirty_io_spin,thread_spin")],
    Ms = workload:env_int("WL_MS", 5),
    {[{ms, Ms}, {modes, lists:join($,, [atom_to_list(Mode) || Mode <- Modes])}], {Modes, Ms}}.

start({Modes, Ms}) ->
    Rounds = counters:new(length(Modes), []),
    Indexed = lists:zip(Modes, lists:seq(1, length(Modes))),
    Pids = [workload:start_repeating(list_to_atom("wl_" ++ atom_to_list(Mode)), fun() -> Ms end, step(Mode, Rounds, Index))
            || {Mode, Index} <- Indexed],
    {[], {Indexed, Pids, Rounds}}.

stop({Indexed, Pids, Rounds}) ->
    Calls = workload:stop_repeating(Pids),
    {[], [{Mode, Count} || {{Mode, _}, Count} <- lists:zip(Indexed, Calls)] ++
         [{[atom_to_list(Mode), "_rounds"], counters:get(Rounds, Index)} || {Mode, Index} <- Indexed]}.

step(Mode, Rounds, Index) ->
    fun(Ms) ->
        {Mode, Count} = call(Mode, Ms),
        counters:add(Rounds, Index, Count),
        Ms
    end.

call(spin, Ms) -> spin(Ms);
call(dirty_spin, Ms) -> dirty_spin(Ms);
call(dirty_io_spin, Ms) -> dirty_io_spin(Ms);
call(thread_spin, Ms) -> thread_spin(Ms).

%% The Erlang process waits while a thread of the library's own does the work.
thread_spin(Ms) ->
    Thread = thread_start(Ms),
    receive
        {thread_spin, _} = Result ->
            ok = thread_join(Thread),
            Result
    end.

load() -> erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "wl_nif"), 0).

spin(_Ms) -> erlang:nif_error(not_loaded).
dirty_spin(_Ms) -> erlang:nif_error(not_loaded).
dirty_io_spin(_Ms) -> erlang:nif_error(not_loaded).
thread_start(_Ms) -> erlang:nif_error(not_loaded).
thread_join(_Thread) -> erlang:nif_error(not_loaded).
