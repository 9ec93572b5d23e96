%% Names that break careless tools. Each case is a process that burns CPU in a function with an odd name,
%% about BURN_MS=5 ms at a time, one process after the other so that all get the same share.
%% After `stop` one line per case, names as hexadecimal UTF-8 since they hold spaces, `=` and newlines:
%%   case=N pid=<0.X.Y> module=HEX function=HEX arity=N registered=HEX initial=HEX label=HEX turns=N
%% An empty field is a name that the process does not have; label is empty before OTP 27.
-module(names).
-behaviour(workload).
-behaviour(gen_server).
-export([main/0, prepare/0, start/1, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, lib_start/1]).

main() -> workload:run(?MODULE).

%% {Module, Function, registered name or none}: generated code, spawned plainly.
odd_functions() ->
    Long = list_to_atom(lists:duplicate(255, $n)),
    %% In code an atom has 255 bytes, at run time 255 characters of up to four bytes.
    LongUnicode = list_to_atom(lists:duplicate(127, 16#3bb)),
    LongSmiles = list_to_atom(lists:duplicate(255, 16#1f642)),
    [
        {'Elixir.Shop.Cart', 'add item!', 'Elixir.Shop.Cart'},
        {'Elixir.Shop.Cart', 'full?', none},
        {'Elixir.Shop.Cart', '-fun.total/1-', none},
        {odd_semicolon, 'a;b c', 'x;y z'},
        {'odd <module> & "co"', '<&>\'"', '<proc & "co">'},
        {'odd/slash:colon', 'f/1:g', 'a/b:c/1'},
        {odd_unicode, 'größe_合計_🙂', 'процесс'},
        {odd_control, 'tab\there\nnewline', 'back\\slash\e[31m'},
        {odd_empty, '', ' '},
        {odd_number, '42', '<0.1.0>'},
        {odd_keyword, 'end', 'receive'},
        {odd_percent, '100% {x} $y', '[frame]_[k]'},
        {Long, Long, list_to_atom(lists:duplicate(255, $p))},
        {odd_long_unicode, LongUnicode, LongSmiles}
    ].

prepare() ->
    Ms = workload:env_int("BURN_MS", 5),
    Modules = lists:usort([Module || {Module, _, _} <- odd_functions()]),
    _ = [load_odd(Module, [F || {M, F, _} <- odd_functions(), M =:= Module]) || Module <- Modules],
    load_odd('Elixir.Task.Supervised', [reply]),
    {[{cases, length(cases())}, {burn_ms, Ms}], Ms}.

%% {Module, Function, Arity of the burning function, registered, initial call, Start}
cases() ->
    [{M, F, 2, Registered, none, fun() -> spawn_link(fun() -> turns(fun(End) -> M:F(End, 1) end, 0) end) end}
     || {M, F, Registered} <- odd_functions()] ++
    [
        {?MODULE, '-closure/1-Loop/2-0-', 3, none, none, fun() -> spawn_link(fun() -> turns(fun closure/1, 0) end) end},
        {?MODULE, '-comprehension/1-lc$^0/1-0-', 1, none, none,
         fun() -> spawn_link(fun() -> turns(fun comprehension/1, 0) end) end},
        {?MODULE, lib_burn, 1, none, "names:lib_start/1", fun() -> proc_lib:spawn_link(?MODULE, lib_start, [label()]) end},
        {?MODULE, handle_call, 3, names_server, "names:init/1",
         fun() -> {ok, Pid} = gen_server:start_link(?MODULE, [], []), server_client(Pid) end},
        {'Elixir.Task.Supervised', reply, 2, none, "'Elixir.Shop.Cart':checkout/3", fun start_task/0}
    ].

start(Ms) ->
    Cases = [{Case, start_case(Case)} || Case <- cases()],
    Pids = [Pid || {_, Pid} <- Cases],
    Baton = spawn_link(fun() -> pass_baton(Pids, Ms * 1000000) end),
    register(names_baton, Baton),
    {[], {Cases, Baton}}.

start_case({_, _, _, Registered, _, Start}) ->
    case Start() of
        {Server, Client} -> register(Registered, Server), Client;
        Pid when Registered =:= none -> Pid;
        Pid -> register(Registered, Pid), Pid
    end.

stop({Cases, Baton}) ->
    Baton ! {stop, self()},
    receive {stopped, Baton} -> ok end,
    Turns = [begin Pid ! {count, self()}, receive {count, Pid, N} -> N end end || {_, Pid} <- Cases],
    Lines = [[{'case', N}, {pid, burner(Registered, Client)}, {module, hex(M)}, {function, hex(F)}, {arity, Arity}, {registered, hex(Registered)},
              {initial, hex(Initial)}, {label, hex_label(F)}, {turns, Count}]
             || {N, {{M, F, Arity, Registered, Initial, _}, Client}, Count} <-
                    lists:zip3(lists:seq(1, length(Cases)), Cases, Turns)],
    {Lines, [{turns, lists:sum(Turns)}]}.

%% The server burns for its client.
burner(names_server, _Client) -> whereis(names_server);
burner(_, Pid) -> Pid.

pass_baton(Pids, Ns) ->
    receive
        {stop, From} -> From ! {stopped, self()}
    after 0 ->
        _ = [begin Pid ! {burn, self(), Ns}, receive {burnt, Pid} -> ok end end || Pid <- Pids],
        pass_baton(Pids, Ns)
    end.

turns(Burn, Count) ->
    receive
        {burn, From, Ns} ->
            _ = Burn(workload:clock_ns() + Ns),
            From ! {burnt, self()},
            turns(Burn, Count + 1);
        {count, From} -> From ! {count, self(), Count}
    end.

%% --- where the CPU goes ------------------------------------------------------------------------------

%% The template's names are replaced as atoms, since source text could not hold all of them.
load_odd(Module, Functions) ->
    Template = fun(F) ->
        %% No fun in here: its name would be longer than an atom may be. X meets each residue in turn.
        Line = "f(End, X) when X band 255 =/= 0 -> f(End, (X * 5 + 3) band 65535);"
               "f(End, X) -> case os:perf_counter(nanosecond) of Now when Now >= End -> X; _ -> f(End, X + 3) end.",
        {ok, Tokens, _} = erl_scan:string(Line),
        {ok, Form} = erl_parse:parse_form([case T of {atom, At, f} -> {atom, At, F}; _ -> T end || T <- Tokens]),
        Form
    end,
    Forms = [{attribute, 1, module, Module}, {attribute, 1, export, [{F, 2} || F <- Functions]} | [Template(F) || F <- Functions]],
    {ok, Module, Code} = compile:forms(Forms),
    {module, Module} = code:load_binary(Module, "odd.erl", Code).

closure(End) ->
    Loop = fun Loop(X, N) when N rem 1000 =/= 0 -> Loop((X * 7 + N) rem 65521, N + 1);
               Loop(X, N) -> case workload:clock_ns() >= End of true -> X; false -> Loop(X, N + 1) end
           end,
    Loop(1, 1).

%% The comprehension itself is the hot function: it calls nothing but the clock.
comprehension(End) ->
    _ = [X || X <- lists:seq(1, 1000), X * X rem 7 =:= 8],
    case workload:clock_ns() >= End of
        true -> ok;
        false -> comprehension(End)
    end.

lib_start(Label) ->
    %% OTP 27 brought labels.
    _ = erlang:function_exported(proc_lib, set_label, 1) andalso apply(proc_lib, set_label, [Label]),
    turns(fun lib_burn/1, 0).

lib_burn(End) ->
    case workload:clock_ns() >= End of
        true -> ok;
        false -> lib_burn(End)
    end.

label() -> 'the labelled; <one>'.

%% What a Task does: proc_lib first records Task's own function, then Task puts the user's call there.
start_task() ->
    proc_lib:spawn_link(fun() ->
        put('$initial_call', {'Elixir.Shop.Cart', checkout, 3}),
        turns(fun(End) -> 'Elixir.Task.Supervised':reply(End, 1) end, 0)
    end).

%% The server burns inside handle_call/3; a client turns the baton into calls.
server_client(Server) ->
    {Server, spawn_link(fun() -> turns(fun(End) -> gen_server:call(Server, {burn, End}) end, 0) end)}.

init([]) -> {ok, none}.

handle_call({burn, End} = Request, From, State) ->
    case workload:clock_ns() >= End of
        true -> {reply, ok, State};
        false -> handle_call(Request, From, State)
    end.

handle_cast(_Unknown, State) -> {noreply, State}.

%% --- printing ----------------------------------------------------------------------------------------

hex(none) -> "";
hex(Name) when is_atom(Name) -> hex(atom_to_list(Name));
hex(Name) -> [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= unicode:characters_to_binary(Name)].

hex_label(lib_burn) ->
    case erlang:function_exported(proc_lib, set_label, 1) of
        true -> hex(label());
        false -> ""
    end;
hex_label(_) -> "".
