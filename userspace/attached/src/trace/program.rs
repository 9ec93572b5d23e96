//! What runs in the VM to trace calls: Erlang text, which the VM's own `erl_scan`, `erl_parse` and
//! `erl_eval` understand, so that no module of ours is loaded.
//!
//! Two processes. The *tracer* gets the VM's trace messages and sends them on. The *guard* switches
//! tracing on and off, and does nothing else, so that nothing keeps it from switching off: when the
//! tracer says that a limit is reached, when the time is up, when we say so, when the tracer dies, and
//! when the connection to us ends, as it does when we are killed. If the guard itself is killed,
//! the tracer cleans up and ends. From OTP 27 on the guard alone holds the trace session, which the VM
//! destroys when its holder is gone.
//!
//! Before, there is one tracing for all, by flags of processes: whoever has the flag `call` gets hits of
//! every pattern. So what is used there is *meta* tracing (`erlang:trace_pattern/3` with `{meta, Pid}`): a
//! pattern that names its tracer, has calls of all processes, and is looked at apart from those of others
//! (`erts_generic_breakpoint` in `erts/emulator/beam/beam_bp.c`). No process has a flag of ours, others get none of
//! our calls, and the tables of processes need not be walked. Its times are those of `erlang:now/0`, in microseconds. All times are told since this began.
//!
//! Limits, all kept there: calls altogether, calls within a second, messages that wait for the tracer,
//! its heap, the size of what is sent of each call, and time. After the last call is
//! seen no more calls are traced, and what has been called may return within a second. A tracer that
//! would wait for our end of the connection gives up instead (`nosuspend`); the guard waits only when
//! everything is removed.

/// The text; its one free variable is `Asked`.
pub(super) const PROGRAM: &str = r#"
{Us, Node, Functions, Who, Results, CallsMax, RateMax, LifeMs, BytesMax, WaitingMax, HeapMax, HasSessions} = Asked,
Guard = self(),
erlang:process_flag(priority, high),
erlang:monitor_node(Node, true),
Tell = fun(Message) -> erlang:send(Us, {escope, Message}, [nosuspend, noconnect]) end,
Say = fun(Message) -> erlang:send(Us, {escope, Message}, [noconnect]) end,
Fit = fun(Term) ->
    case erlang:external_size(Term) of
        Size when Size > BytesMax -> {large, Size};
        _ -> {value, Term}
    end
end,
Clock = fun() ->
    case HasSessions of
        true -> erlang:monotonic_time(nanosecond);
        false -> erlang:system_time(nanosecond)
    end
end,
Origin = Clock(),
Now = fun() -> Clock() - Origin end,
Ns = fun
    ({Mega, Second, Micro}) -> ((Mega * 1000000 + Second) * 1000000 + Micro) * 1000 - Origin;
    (At) -> At - Origin
end,
NoPatterns = fun() ->
    _ = [erlang:trace_pattern(Function, false, [meta]) || Function <- Functions],
    ok
end,
Last = case Results of true -> off; false -> over end,
Calls = fun Next(Left, Open, Beyond, Begun, Count) ->
    receive
        {trace_ts, Pid, call, {M, F, Args}, Caller, Stamp} when Left > 0 ->
            At = Ns(Stamp),
            {message_queue_len, Waiting} = erlang:process_info(self(), message_queue_len),
            {NewBegun, NewCount} = case At - Begun > 1000000000 of
                true -> {At, 1};
                false -> {Begun, Count + 1}
            end,
            case Tell({call, Pid, {M, F, erlang:length(Args)}, Fit(Args), Caller, At}) of
                ok when Waiting > WaitingMax -> Guard ! {over, flood};
                ok when NewCount > RateMax ->
                    Guard ! {Last, rate},
                    Next(0, Open + 1, Beyond, NewBegun, NewCount);
                ok when Left =:= 1 ->
                    Guard ! {Last, limit},
                    Next(0, Open + 1, Beyond, NewBegun, NewCount);
                ok -> Next(Left - 1, Open + 1, Beyond, NewBegun, NewCount);
                _ -> Guard ! {over, slow}
            end;
        {trace_ts, Pid, call, _, _, _} ->
            Depth = maps:get(Pid, Beyond, 0) + 1,
            Next(Left, Open, Beyond#{Pid => Depth}, Begun, Count);
        {trace_ts, Pid, _, _, _, _} when erlang:map_get(Pid, Beyond) > 0 ->
            Depth = maps:get(Pid, Beyond) - 1,
            Next(Left, Open, Beyond#{Pid => Depth}, Begun, Count);
        {trace_ts, Pid, return_from, Function, Value, Stamp} ->
            case Tell({return, Pid, Function, Fit(Value), Ns(Stamp)}) of
                ok when Left =:= 0, Open =< 1 -> Guard ! {over, done};
                ok -> Next(Left, Open - 1, Beyond, Begun, Count);
                _ -> Guard ! {over, slow}
            end;
        {trace_ts, Pid, exception_from, Function, {Class, Value}, Stamp} ->
            case Tell({exception, Pid, Function, {Class, Fit(Value)}, Ns(Stamp)}) of
                ok when Left =:= 0, Open =< 1 -> Guard ! {over, done};
                ok -> Next(Left, Open - 1, Beyond, Begun, Count);
                _ -> Guard ! {over, slow}
            end;
        {'DOWN', _, process, Guard, _} ->
            HasSessions orelse NoPatterns()
    end
end,
Work = fun() ->
    erlang:process_flag(priority, high),
    erlang:process_flag(max_heap_size, #{size => HeapMax, kill => true, error_logger => false}),
    Watched = erlang:monitor(process, Guard),
    receive
        go -> Calls(CallsMax, 0, #{}, Now(), 0);
        {'DOWN', Watched, process, Guard, _} -> ok
    end
end,
{Tracer, Monitor} = erlang:spawn_monitor(Work),
Body = [{exception_trace} || Results] ++ [{message, {caller_line}}],
Flags = [call, monotonic_timestamp],
IsTheirs = fun(Function) ->
    case erlang:trace_info(Function, meta) of
        {meta, Pid} when erlang:is_pid(Pid) -> erlang:is_process_alive(Pid);
        {meta, Other} -> erlang:is_port(Other) orelse erlang:is_tuple(Other)
    end
end,
Begin = fun
    (true) ->
        Session = trace:session_create(escope_bpf, Tracer, []),
        Found = [trace:function(Session, Function, [{'_', [], Body}], [local]) || Function <- Functions],
        Before = Clock(),
        trace:process(Session, Who, true, Flags),
        Took = Clock() - Before,
        _ = trace:process(Session, Guard, false, Flags),
        {Session, Found, Took};
    (false) ->
        Whose = case Who of
            all -> [{'=/=', {self}, {const, Pid}} || Pid <- [Guard, Tracer]];
            _ -> [{'=:=', {self}, {const, Who}}]
        end,
        case lists:any(IsTheirs, Functions) of
            true -> {none, others, 0};
            false ->
                Match = [{'_', Whose, Body}],
                {none, [erlang:trace_pattern(Function, Match, [{meta, Tracer}]) || Function <- Functions], 0}
        end
end,
Off = fun
    (none) -> NoPatterns();
    (Session) ->
        _ = [trace:function(Session, Function, false, [local]) || Function <- Functions],
        ok
end,
End = fun
    (none) -> NoPatterns();
    (Session) -> trace:session_destroy(Session)
end,
Wait = fun Wait(Session, Until, Why) ->
    receive
        {off, NewWhy} ->
            Off(Session),
            Wait(Session, erlang:min(Until, erlang:monotonic_time(millisecond) + 1000), NewWhy);
        {over, done} -> Why;
        {over, NewWhy} -> NewWhy;
        {stop, Us} -> stopped;
        {nodedown, Node} -> gone;
        {'DOWN', Monitor, process, Tracer, _} -> heap
    after erlang:max(0, Until - erlang:monotonic_time(millisecond)) -> Why
    end
end,
Kill = fun() ->
    case erlang:is_process_alive(Tracer) of
        true ->
            erlang:exit(Tracer, kill),
            receive {'DOWN', Monitor, process, Tracer, _} -> ok after 5000 -> ok end;
        false -> ok
    end
end,
IsThere = Who =:= all orelse erlang:is_process_alive(Who),
case IsThere andalso (catch Begin(HasSessions)) of
    false ->
        Kill(),
        Say({refused, {none, noproc}});
    {Session, Found, Took} when erlang:is_list(Found) ->
        case lists:member(0, Found) of
            true ->
                End(Session),
                Kill(),
                Say({refused, {none, Found}});
            false ->
                Handle = case Session of {_, Weak} -> Weak; none -> none end,
                Say({started, Guard, Tracer, Handle, Now(), Took}),
                Tracer ! go,
                Why = Wait(Session, erlang:monotonic_time(millisecond) + LifeMs, time),
                End(Session),
                Kill(),
                Say({ended, Why})
        end;
    {none, others, _} ->
        Kill(),
        Say({refused, {none, others}});
    Refused ->
        HasSessions orelse NoPatterns(),
        Kill(),
        Say({refused, Refused})
end.
"#;
