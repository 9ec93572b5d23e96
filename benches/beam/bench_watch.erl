%% Those who watch a VM from inside, as one does without an outside tool:
%%   trace FLAG,...     erlang:trace/3 of all processes to a process that takes what comes and counts it
%%   poll HZ            process_info/2 of all processes, so often a second, of what a snapshot shows
%%   eprof | fprof FILE | tprof     OTP's profilers on the workers; tprof is there from OTP 27 on
%%   ring FILE          bench_ring written by the instrumented version of bench_work in FILE
-module(bench_watch).
-export([start/2, stop/1, drain/1, poll/4]).

-define(ITEMS, [registered_name, initial_call, current_function, status, reductions, message_queue_len,
                total_heap_size, heap_size, stack_size, group_leader]).

start(["trace", Flags], _) ->
    Tracer = spawn_opt(?MODULE, drain, [0], [{priority, high}, {message_queue_data, off_heap}]),
    All = [list_to_existing_atom(Flag) || Flag <- string:lexemes(Flags, ",")] ++ [monotonic_timestamp],
    _ = erlang:trace(processes, true, [{tracer, Tracer} | All]),
    {trace, Tracer};
start(["poll", Hz], _) ->
    {poll, spawn(?MODULE, poll, [1000 div list_to_integer(Hz), 0, 0, 0])};
start(["eprof"], Workers) ->
    {ok, _} = eprof:start(),
    profiling = eprof:start_profiling(Workers, {bench_work, '_', '_'}),
    eprof;
start(["fprof", File], Workers) ->
    {ok, _} = fprof:start(),
    ok = fprof:trace([start, {file, File}, {procs, Workers}]),
    {fprof, File};
start(["tprof"], Workers) ->
    {ok, _} = tprof:start(#{type => call_time}),
    _ = tprof:set_pattern(bench_work, '_', '_'),
    _ = tprof:enable_trace(Workers),
    tprof;
start(["ring", File], _) ->
    {bench_work, Plain, PlainFile} = code:get_object_code(bench_work),
    {ok, Instrumented} = file:read_file(File),
    _ = bench_ring:open(),
    ok = replace(Instrumented, File),
    {ring, Plain, PlainFile}.

stop({trace, Tracer}) ->
    _ = erlang:trace(processes, false, [all]),
    %% What was sent before is in its mailbox before this is.
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end,
    {message_queue_len, Behind} = process_info(Tracer, message_queue_len),
    Tracer ! {count, self()},
    receive {count, Tracer, Events} -> [{events, Events}, {behind, Behind}] end;
stop({poll, Poller}) ->
    Poller ! {count, self()},
    receive {count, Poller, Polls, Rows, Ns} -> [{polls, Polls}, {rows, Rows}, {ns, Ns}] end;
stop(eprof) ->
    profiling_stopped = eprof:stop_profiling(),
    stopped = eprof:stop(),
    [];
stop({fprof, File}) ->
    ok = fprof:trace(stop),
    Bytes = filelib:file_size(File),
    ok = file:delete(File),
    ok = fprof:stop(),
    [{bytes, Bytes}];
stop(tprof) ->
    _ = tprof:disable_trace(all),
    ok = tprof:stop(),
    [];
stop({ring, Plain, File}) ->
    ok = replace(Plain, File),
    await_purged(1000),
    [{events, bench_ring:close()}].

%% No process may be left in the version before the last one: it would be killed.
replace(Code, File) ->
    await_purged(1000),
    {module, bench_work} = code:load_binary(bench_work, File, Code),
    ok.

%% Workers are in a new version as soon as they begin another unit.
await_purged(Tries) when Tries > 0 ->
    case code:soft_purge(bench_work) of
        true -> ok;
        false -> receive after 10 -> await_purged(Tries - 1) end
    end.

drain(Events) ->
    receive
        {count, From} -> From ! {count, self(), Events};
        _ -> drain(Events + 1)
    end.

poll(Every, Polls, Rows, Ns) ->
    Start = erlang:monotonic_time(),
    Infos = [process_info(Pid, ?ITEMS) || Pid <- processes()],
    Took = erlang:convert_time_unit(erlang:monotonic_time() - Start, native, nanosecond),
    Wait = max(0, Every - Took div 1000000),
    receive
        {count, From} -> From ! {count, self(), Polls + 1, Rows + length(Infos), Ns + Took}
    after Wait ->
        ?MODULE:poll(Every, Polls + 1, Rows + length(Infos), Ns + Took)
    end.
