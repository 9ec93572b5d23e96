%% Signs orders. The signature is stretched, like a password hash, so it is expensive on purpose.
-module(shop_payment_worker).
-behaviour(gen_server).
-export([start_link/1, sign/3]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(ROUNDS, 60).

start_link(N) ->
    Name = list_to_atom("shop_payment_worker_" ++ integer_to_list(N)),
    gen_server:start_link({local, Name}, ?MODULE, [], []).

sign(Worker, Payer, Order) -> gen_server:cast(Worker, {sign, Payer, Order}).

init([]) ->
    ok = shop_payment:idle(self()),
    {ok, digest()}.

handle_call(_Unknown, _From, Digest) -> {reply, {error, unknown}, Digest}.

handle_cast({sign, Payer, Order}, Digest) ->
    Receipt = binary:copy(term_to_binary(Order), 48),
    Payer ! {charged, stretch(Digest, Receipt, <<>>, ?ROUNDS)},
    shop_stats:count(payments),
    shop_payment:idle(self()),
    {noreply, Digest}.

stretch(_Digest, _Receipt, Signature, 0) -> Signature;
stretch(Digest, Receipt, Signature, Rounds) ->
    stretch(Digest, Receipt, Digest([Signature, Receipt]), Rounds - 1).

%% An Erlang without OpenSSL still has md5.
digest() ->
    try crypto:hash(sha256, <<>>) of
        _ -> fun(Data) -> crypto:hash(sha256, Data) end
    catch
        error:_ -> fun erlang:md5/1
    end.
