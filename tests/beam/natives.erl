%% Calls of BIFs and NIFs, each counted by who calls. WORKERS=3 processes natives_K go K * ROUNDS=200 times through:
%%   insert    ets:insert/2, which the JIT calls directly
%%   applied   the same by apply
%%   lookup    ets:lookup/2
%%   digest    erlang:md5/1
%%   hash      crypto:hash/2, which calls crypto:hash_nif/2, in crypto:hash/4
%% and, since they take MS=2 milliseconds each, K times through
%%   spin      wl_nif:spin/1
%%   dirty     wl_nif:dirty_spin/1, on a dirty scheduler
%% Each in a function of that name, which goes on after the call. `stop` waits until all have finished. One line each:
%%   worker=<0.N.S> insert=N applied=N lookup=N digest=N hash=N spin=N dirty=N
-module(natives).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

-define(MANY, [insert, applied, lookup, digest, hash]).
-define(FEW, [spin, dirty]).

main() -> workload:run(?MODULE).

prepare() ->
    <<_:160>> = crypto:hash(sha, <<"loaded">>),
    {module, _} = code:ensure_loaded(wl_nif),
    Table = ets:new(?MODULE, [public, set]),
    Rounds = workload:env_int("ROUNDS", 200),
    Ms = workload:env_int("MS", 2),
    Workers = [begin
        Worker = spawn_link(fun() ->
            receive {go, From} -> From ! {done, self(), work(K, Rounds, Table, Ms)} end,
            receive never -> ok end
        end),
        register(list_to_atom("natives_" ++ integer_to_list(K)), Worker),
        Worker
    end || K <- lists:seq(1, workload:env_int("WORKERS", 3))],
    {[{rounds, Rounds}], Workers}.

start(Workers) ->
    _ = [Worker ! {go, self()} || Worker <- Workers],
    {[{workers, length(Workers)}], Workers}.

stop(Workers) ->
    {[[{worker, Worker} | receive {done, Worker, Facts} -> Facts end] || Worker <- Workers], []}.

work(K, Rounds, Table, Ms) ->
    Many = K * Rounds,
    _ = [[ok = call(What, Table, N) || What <- ?MANY] || N <- lists:seq(1, Many)],
    _ = [[ok = call(What, Table, Ms) || What <- ?FEW] || _ <- lists:seq(1, K)],
    [{What, Many} || What <- ?MANY] ++ [{What, K} || What <- ?FEW].

call(insert, Table, N) -> insert(Table, N);
call(applied, Table, N) -> applied(ets, Table, N);
call(lookup, Table, N) -> lookup(Table, N);
call(digest, _, N) -> digest(N);
call(hash, _, N) -> hash(N);
call(spin, _, Ms) -> spin(Ms);
call(dirty, _, Ms) -> dirty(Ms).

insert(Table, N) ->
    true = ets:insert(Table, {N, N}),
    ok.

applied(Module, Table, N) ->
    true = apply(Module, insert, [Table, {N, N}]),
    ok.

lookup(Table, N) ->
    [{N, N}] = ets:lookup(Table, N),
    ok.

digest(N) ->
    <<_:128>> = erlang:md5(<<N:32>>),
    ok.

hash(N) ->
    <<_:160>> = crypto:hash(sha, <<N:32>>),
    ok.

spin(Ms) ->
    {spin, _} = wl_nif:spin(Ms),
    ok.

dirty(Ms) ->
    {dirty_spin, _} = wl_nif:dirty_spin(Ms),
    ok.
