%% One state machine per order: open -> reserving -> charging -> done.
-module(shop_checkout).
-behaviour(gen_statem).
-export([pay/2, start_link/2]).
-export([init/1, callback_mode/0, open/3, reserving/3, charging/3]).

-define(PATIENCE_MS, 30000).

%% Blocks the customer until the order is paid or refused.
pay(Customer, Cart) ->
    {ok, Checkout} = supervisor:start_child(shop_checkout_sup, [Customer, Cart]),
    gen_statem:call(Checkout, pay, ?PATIENCE_MS).

start_link(Customer, Cart) -> gen_statem:start_link(?MODULE, {Customer, Cart}, []).

callback_mode() -> state_functions.

init({Customer, Cart}) -> {ok, open, #{customer => Customer, cart => Cart}}.

open({call, From}, pay, #{cart := Cart} = Order) ->
    Items = shop_cart:items(Cart),
    Total = lists:sum([Price * Quantity || {#{price := Price}, Quantity} <- Items]),
    {next_state, reserving, Order#{from => From, items => Items, total => Total}, {next_event, internal, reserve}}.

reserving(internal, reserve, #{items := Items} = Order) ->
    case shop_catalogue:reserve([{Id, Quantity} || {#{id := Id}, Quantity} <- Items]) of
        ok ->
            ok = shop_payment:charge(self(), maps:with([customer, items, total], Order)),
            {next_state, charging, Order, {state_timeout, ?PATIENCE_MS, late}};
        {error, Reason} ->
            shop_stats:count(refused),
            finish({refused, Reason}, Order)
    end.

charging(info, {charged, Signature}, Order) ->
    Id = shop_ledger:record(maps:with([customer, items, total], Order#{signature => Signature})),
    shop_stats:count(orders),
    finish({paid, Id}, Order);
charging(state_timeout, late, Order) ->
    finish({refused, payment_is_late}, Order).

finish(Outcome, #{from := From} = Order) ->
    shop_logger:info(checkout_finished, Order#{outcome => Outcome}),
    {stop_and_reply, normal, {reply, From, Outcome}}.
