%% Code that is loaded, run, deleted and purged again and again, so that one address has many names.
%% Generation G is module gen_a, gen_b, gen_c or gen_d in turn with the hot function vGGGG_spin. All of them
%% have the same code size, so the VM's allocator hands the same addresses out again. The process
%% reload_spinner stays the same throughout. SLICE_MS=30 is how long each generation runs, GENERATIONS=0 how many of
%% them run at least before `stop` is obeyed. With STORM=1 another process loads a small module as often as it can;
%% `count` tells how often it has: loads=N.
%%
%% After `stop` one line per generation:
%%   version=17 module=gen_b function=v0017_spin from_ns=N to_ns=N
%% Between the two times reload_spinner was inside that function and no other version was.
-module(reload).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).

%% Compiled before the run. When all have had their turn they start over.
-define(VERSIONS, 400).
-define(MODULES, {gen_a, gen_b, gen_c, gen_d}).

main() -> workload:run(?MODULE).

prepare() ->
    Binaries = list_to_tuple([compile_version(V) || V <- lists:seq(0, ?VERSIONS - 1)]),
    Slice = workload:env_int("SLICE_MS", 30),
    {ok, storm, Storm} = workload:compile_text("-module(storm).\n-export([f/0]).\nf() -> ok.\n"),
    Storms = [Storm || workload:env_int("STORM", 0) > 0],
    Least = workload:env_int("GENERATIONS", 0),
    {[{versions, ?VERSIONS}, {slice_ms, Slice}], {{Binaries, Slice * 1000000, Least}, Storms}}.

start({Work, Storms}) ->
    Loads = counters:new(1, []),
    _ = [spawn_link(fun() -> storm(Storm, Loads) end) || Storm <- Storms],
    Spinner = spawn_link(fun spinner/0),
    register(reload_spinner, Spinner),
    Loader = spawn_link(fun() -> loader(Work, Spinner, 0, []) end),
    register(reload_loader, Loader),
    {[{spinner, Spinner}], {Loader, Loads}}.

count({_, Loads}) -> [{loads, counters:get(Loads, 1)}].

stop({Loader, _}) ->
    Loader ! {stop, self()},
    receive
        {stopped, Loader, Runs} ->
            {[[{version, V}, {module, module_of(V)}, {function, function(V)}, {from_ns, From}, {to_ns, To}]
              || {V, From, To} <- lists:reverse(Runs)],
             [{generations, length(Runs)}]}
    end.

loader({Binaries, SliceNs, Least} = Work, Spinner, N, Runs) ->
    receive
        {stop, From} when N >= Least -> From ! {stopped, self(), Runs}
    after 0 ->
        V = N rem ?VERSIONS,
        Module = module_of(V),
        {module, Module} = code:load_binary(Module, atom_to_list(Module) ++ ".erl", element(V + 1, Binaries)),
        Spinner ! {spin, self(), Module, function(V), SliceNs},
        Run = receive {spun, Start, End} -> {V, Start, End} end,
        %% The spinner has returned from the code, so that purging it kills nobody.
        true = code:delete(Module),
        true = code:soft_purge(Module),
        loader(Work, Spinner, N + 1, [Run | Runs])
    end.

%% The times are taken by the version itself; the spinner only passes them on.
spinner() ->
    receive
        {spin, From, Module, Function, SliceNs} ->
            {Start, End} = Module:Function(SliceNs),
            From ! {spun, Start, End},
            spinner()
    end.

storm(Binary, Loads) ->
    {module, storm} = code:load_binary(storm, "storm.erl", Binary),
    _ = code:purge(storm),
    counters:add(Loads, 1, 1),
    storm(Binary, Loads).

module_of(V) -> element(1 + V rem tuple_size(?MODULES), ?MODULES).

function(V) -> list_to_atom(lists:flatten(io_lib:format("v~4..0b_spin", [V]))).

%% Same text, names of the same length: the same machine code. The loop is not a tail call from spin/1,
%% so each stack in the interval names the version at least twice.
compile_version(V) ->
    F = atom_to_list(function(V)),
    Text = ["-module(", atom_to_list(module_of(V)), ").\n-export([", F, "/1]).\n",
            F, "(Ns) -> From = os:perf_counter(nanosecond), To = ", F, "(From + Ns, 1), {From, To}.\n",
            F, "(End, X) -> case os:perf_counter(nanosecond) of Now when Now >= End -> Now; "
            "_ -> ", F, "(End, ", F, "(500, X, End)) end.\n",
            F, "(0, X, _) -> X; ", F, "(N, X, E) -> ", F, "(N - 1, (X * 23 + N) rem 131071, E).\n"],
    {ok, _, Code} = workload:compile_text(Text),
    Code.
