%% A bit of everything, one process per kind of load, each named after the function that it repeats.
%% Process mixed_FAMILY runs mixed:FAMILY/1 for ever (inside workload:repeat/3).
%% FAMILIES=a,b restricts the run; families whose library is missing are left out of the `ready` line.
-module(mixed).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

-define(SWARM, 2000).

main() -> workload:run(?MODULE).

%% {Family, Setup in the worker, Step}. Steps last from 0.1 to some 20 ms.
families() ->
    [
        {jit_arithmetic, fun() -> 1 end, fun jit_arithmetic/1},
        {bif_ets, fun new_table/0, fun bif_ets/1},
        {bif_binary, fun() -> binary:copy(<<"some,text;with,commas\n">>, 2000) end, fun bif_binary/1},
        {bif_terms, fun() -> [{N, #{key => N, text => "abc"}} || N <- lists:seq(1, 500)] end, fun bif_terms/1},
        {bif_regex, fun new_regex/0, fun bif_regex/1},
        {nif_crypto, fun() -> binary:copy(<<7>>, 65536) end, fun nif_crypto/1},
        {dirty_cpu_hmac, fun() -> binary:copy(<<9>>, 2000000) end, fun dirty_cpu_hmac/1},
        {dirty_cpu_gc, fun() -> lists:seq(1, 400000) end, fun dirty_cpu_gc/1},
        {dirty_io_file, fun new_file/0, fun dirty_io_file/1},
        {gc_churn, fun() -> {#{}, 0} end, fun gc_churn/1},
        {deep_recursion, fun() -> 0 end, fun deep_recursion/1},
        {port_echo, fun new_port/0, fun port_echo/1},
        {swarm, fun new_swarm/0, fun swarm/1}
    ].

prepare() ->
    Crypto = code:ensure_loaded(crypto) =:= {module, crypto} andalso has_sha256(),
    Wanted = workload:env_words("FAMILIES", string:join([atom_to_list(F) || {F, _, _} <- families()], ",")),
    Chosen = [Family || {Name, _, _} = Family <- families(),
                        lists:member(atom_to_list(Name), Wanted),
                        Crypto orelse not lists:member(Name, [nif_crypto, dirty_cpu_hmac])],
    Names = lists:join($,, [atom_to_list(Name) || {Name, _, _} <- Chosen]),
    {[{families, Names}], Chosen}.

has_sha256() ->
    try is_binary(crypto:hash(sha256, <<>>)) catch _:_ -> false end.

start(Chosen) ->
    Workers = [{Name, workload:start_repeating(registered_name(Name), Setup, Step)} || {Name, Setup, Step} <- Chosen],
    {[], Workers}.

stop(Workers) ->
    {Names, Pids} = lists:unzip(Workers),
    {[], lists:zip(Names, workload:stop_repeating(Pids))}.

registered_name(Family) -> list_to_atom("mixed_" ++ atom_to_list(Family)).

%% --- JIT code only -----------------------------------------------------------------------------------

jit_arithmetic(X) -> collatz(100000, X).

collatz(0, X) -> X;
collatz(N, X) when X band 1 =:= 0 -> collatz(N - 1, X bsr 1 + 1);
collatz(N, X) -> collatz(N - 1, (3 * X + N) band 16#fffffff).

%% --- BIFs --------------------------------------------------------------------------------------------

new_table() ->
    Table = ets:new(mixed, [set]),
    true = ets:insert(Table, [{N, N rem 17, <<"payload">>} || N <- lists:seq(1, 5000)]),
    Table.

bif_ets(Table) ->
    _ = [ets:insert(Table, {N, N rem 17, <<"changed">>}) || N <- lists:seq(1, 500)],
    _ = [ets:lookup(Table, N) || N <- lists:seq(1, 500)],
    _ = ets:select(Table, [{{'$1', 3, '_'}, [], ['$1']}]),
    Table.

bif_binary(Text) ->
    nomatch = binary:match(Text, <<"absent">>),
    _ = binary:matches(Text, [<<"text">>, <<"commas">>]),
    _ = binary:split(Text, [<<",">>, <<";">>], [global]),
    Text.

bif_terms(Term) ->
    Term = binary_to_term(term_to_binary(Term)).

new_regex() ->
    {ok, Regex} = re:compile("([a-z]+)[0-9]{2,}x?$"),
    {Regex, binary:copy(<<"lorem ipsum dolor 1 ">>, 500)}.

bif_regex({Regex, Text} = State) ->
    nomatch = re:run(Text, Regex),
    State.

%% --- NIFs and dirty schedulers -----------------------------------------------------------------------

nif_crypto(Data) ->
    <<_:32/binary>> = crypto:hash(sha256, Data),
    Data.

%% Crypto moves a message this long to a dirty scheduler.
dirty_cpu_hmac(Data) ->
    <<_:32/binary>> = crypto:mac(hmac, sha256, <<"key">>, Data),
    Data.

%% A collection of a heap this large is moved to a dirty scheduler.
dirty_cpu_gc(Live) ->
    true = erlang:garbage_collect(),
    Live.

new_file() ->
    Name = filename:join(os:getenv("TMPDIR", "/tmp"), "mixed-" ++ os:getpid()),
    {ok, File} = file:open(Name, [raw, binary, read, write, exclusive]),
    %% Unlinked at once: nothing stays on disk however the VM ends.
    ok = file:delete(Name),
    {File, binary:copy(<<"x">>, 262144)}.

dirty_io_file({File, Data} = State) ->
    ok = file:pwrite(File, 0, Data),
    {ok, Data} = file:pread(File, 0, byte_size(Data)),
    State.

%% --- memory and stacks -------------------------------------------------------------------------------

%% A map of lists that lives across many collections and is replaced bit by bit; small enough to be
%% collected on the normal scheduler.
gc_churn({Map, N}) ->
    {Map#{N rem 100 => lists:seq(1, 200)}, N + 1}.

deep_recursion(_) -> deep(500).

%% Not a tail call: 500 frames of deep/1 lie below the leaf.
deep(0) -> leaf(20000, 1);
deep(N) -> 1 + deep(N - 1).

leaf(0, X) -> X;
leaf(N, X) -> leaf(N - 1, (X * 7 + N) rem 65521).

%% --- ports and processes -----------------------------------------------------------------------------

new_port() ->
    Cat = os:find_executable("cat"),
    {open_port({spawn_executable, Cat}, [binary, stream]), binary:copy(<<"echo">>, 1024)}.

port_echo({Port, Data} = State) ->
    true = port_command(Port, Data),
    ok = await_bytes(Port, byte_size(Data)),
    State.

await_bytes(_, 0) -> ok;
await_bytes(Port, Missing) ->
    receive {Port, {data, Data}} -> await_bytes(Port, Missing - byte_size(Data)) end.

%% One step wakes every member once; each does a bit of work and answers.
new_swarm() ->
    Swarm = self(),
    [spawn_link(fun() -> swarm_member(Swarm) end) || _ <- lists:seq(1, ?SWARM)].

swarm(Members) ->
    _ = [Member ! work || Member <- Members],
    _ = [receive {worked, Member} -> ok end || Member <- Members],
    Members.

swarm_member(Swarm) ->
    receive
        work ->
            _ = swarm_bit(200, 1),
            Swarm ! {worked, self()},
            swarm_member(Swarm)
    end.

swarm_bit(0, X) -> X;
swarm_bit(N, X) -> swarm_bit(N - 1, (X * 13 + N) rem 8191).
