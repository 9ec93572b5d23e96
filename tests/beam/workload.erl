%% What all ground-truth workloads share: the conversation with the test that started them.
%%
%%   VM:   ready pid=OSPID workload=MODULE otp=25 ...     everything is built, nothing runs yet
%%   test: go
%%   VM:   running from_ns=N ...                          every worker has begun
%%   test: count                                          (some modules, as often as wanted)
%%   VM:   counted ...
%%   test: stop
%%   VM:   (some modules: one line per fact)
%%   VM:   done from_ns=N to_ns=N cpu_ms=N ...            every worker has stopped, counts are final
%%   test: quit, or closes stdin
%%
%% All workers are at work throughout from_ns..to_ns; what they do just before and after is in the counts as well.
%% Closed stdin ends the VM at any time, so a test that dies leaves nothing behind.
%% Times are nanoseconds of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() and python's time.monotonic_ns().
-module(workload).
-export([run/1, clock_ns/0, calibrate/2, env_int/2, env_words/2, compile_text/1, start_repeating/3, stop_repeating/1,
         rest/1]).

-type facts() :: [{Key :: atom() | iodata(), Value :: term()}].

%% Build everything that the run needs (code, tables, calibration); nothing may be busy afterwards.
-callback prepare() -> {facts(), State :: term()}.
%% Start the workers and return once each of them has begun.
-callback start(State :: term()) -> {facts(), NewState :: term()}.
%% Stop the workers, collect what they counted: lines to print first, then the facts of the `done` line.
-callback stop(State :: term()) -> {Lines :: [facts()], facts()}.
%% What the workers have counted so far.
-callback count(State :: term()) -> facts().
-optional_callbacks([count/1]).

%% Called from `erl -s`: must return, or the VM would stay in its boot phase for the whole run.
-spec run(module()) -> ok.
run(Module) ->
    spawn(fun() ->
        try
            register(workload, self()),
            converse(Module)
        catch
            Class:Reason:Stack ->
                io:format(standard_error, "~p: ~p:~p ~p~n", [Module, Class, Reason, Stack]),
                erlang:halt(1)
        end
    end),
    ok.

converse(Module) ->
    %% With one busy scheduler a normal process would wait for its turn behind all workers.
    process_flag(priority, high),
    %% -noinput leaves fd 0 alone, so it is ours to read. Nobody polls and nobody sleeps.
    Stdin = open_port({fd, 0, 0}, [in, eof, binary, {line, 4096}]),
    {Ready, State0} = Module:prepare(),
    say("ready", [{pid, os:getpid()}, {workload, Module}, {otp, erlang:system_info(otp_release)} | Ready]),
    expect(Stdin, <<"go">>),
    {Cpu0, _} = statistics(runtime),
    {Running, State} = Module:start(State0),
    From = clock_ns(),
    say("running", [{from_ns, From} | Running]),
    await_stop(Stdin, Module, State),
    To = clock_ns(),
    {Lines, Done} = Module:stop(State),
    {Cpu1, _} = statistics(runtime),
    print([[line(Facts), $\n] || Facts <- Lines]),
    say("done", [{from_ns, From}, {to_ns, To}, {cpu_ms, Cpu1 - Cpu0} | Done]),
    expect(Stdin, <<"quit">>),
    erlang:halt(0).

await_stop(Stdin, Module, State) ->
    case heard(Stdin) of
        <<"stop">> -> ok;
        <<"count">> ->
            say("counted", Module:count(State)),
            await_stop(Stdin, Module, State);
        Other -> error({unexpected_line, Other})
    end.

expect(Stdin, Line) ->
    case heard(Stdin) of
        Line -> ok;
        Other -> error({unexpected_line, Other, expected, Line})
    end.

heard(Stdin) ->
    receive
        {Stdin, {data, {eol, <<"quit">>}}} -> erlang:halt(0);
        {Stdin, {data, {eol, Line}}} -> Line;
        {Stdin, eof} -> erlang:halt(0)
    end.

say(Word, Facts) -> print([Word, $\s, line(Facts), $\n]).

print(Text) -> ok = io:put_chars(user, Text).

line(Facts) -> lists:join($\s, [[text(K), $=, text(V)] || {K, V} <- Facts]).

text(T) when is_atom(T) -> atom_to_list(T);
text(T) when is_integer(T) -> integer_to_list(T);
text(T) when is_pid(T) -> pid_to_list(T);
text(T) -> T.

%% On Linux erlang:monotonic_time/0 carries an offset; os:perf_counter/0 is the plain clock.
-spec clock_ns() -> integer().
clock_ns() -> os:perf_counter(nanosecond).

%% How many rounds of Work take about Micros: doubles until one run is long enough to trust, then takes
%% the best of three, since other programs on the machine can only make it look slower.
-spec calibrate(fun((pos_integer()) -> term()), pos_integer()) -> pos_integer().
calibrate(Work, Micros) ->
    Rounds = long_enough(Work, 1),
    Fastest = lists:min([took_ns(Work, Rounds) || _ <- [1, 2, 3]]),
    max(1, Rounds * Micros * 1000 div Fastest).

long_enough(Work, Rounds) ->
    case took_ns(Work, Rounds) > 10000000 of
        true -> Rounds;
        false -> long_enough(Work, Rounds * 2)
    end.

took_ns(Work, Rounds) ->
    Start = clock_ns(),
    Work(Rounds),
    max(1, clock_ns() - Start).

-spec env_int(string(), integer()) -> integer().
env_int(Name, Default) -> list_to_integer(os:getenv(Name, integer_to_list(Default))).

%% A comma separated environment variable.
-spec env_words(string(), string()) -> [string()].
env_words(Name, Default) -> string:lexemes(os:getenv(Name, Default), ",").

%% Compiles Erlang source text, one form per line.
-spec compile_text([iodata()]) -> {ok, module(), binary()}.
compile_text(Text) ->
    Lines = string:lexemes(lists:flatten(Text), "\n"),
    {ok, _, _} = compile:forms([parse_form(Line) || Line <- Lines]).

parse_form(Line) ->
    {ok, Tokens, _} = erl_scan:string(Line),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.

%% A registered process that repeats Step until told to stop. Setup runs in the process, so that its
%% data live on that heap; Step takes and returns the state.
-spec start_repeating(atom(), fun(() -> S), fun((S) -> S)) -> pid().
start_repeating(Name, Setup, Step) ->
    Parent = self(),
    Pid = spawn_link(fun() ->
        register(Name, self()),
        State = Setup(),
        Parent ! {begun, self()},
        repeat(Step, State, 0)
    end),
    receive {begun, Pid} -> Pid end.

repeat(Step, State, Count) ->
    receive
        {stop, From} -> From ! {count, self(), Count}
    after 0 ->
        Next = Step(State),
        %% A NIF may burn milliseconds and pay one reduction: without this it would keep the scheduler.
        erlang:yield(),
        repeat(Step, Next, Count + 1)
    end.

%% Returns once a process waits, or is suspended, or has ended. To yield until then would keep it from ever waiting: who
%% converses has priority, and another scheduler, asleep, need not take what waits for this one.
-spec rest(pid()) -> ok.
rest(Pid) ->
    case process_info(Pid, status) of
        undefined -> ok;
        {status, Status} when Status =:= waiting; Status =:= suspended -> ok;
        _ -> receive after 1 -> rest(Pid) end
    end.

%% How many steps each finished; asked all at once so that they end together.
-spec stop_repeating([pid()]) -> [non_neg_integer()].
stop_repeating(Pids) ->
    _ = [Pid ! {stop, self()} || Pid <- Pids],
    [receive {count, Pid, Count} -> Count end || Pid <- Pids].
