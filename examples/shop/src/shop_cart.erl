%% One process per visit of a customer.
-module(shop_cart).
-behaviour(gen_server).
-export([open/1, start_link/1, add/3, items/1, close/1]).
-export([init/1, handle_call/3, handle_cast/2, terminate/2]).

open(Customer) -> supervisor:start_child(shop_cart_sup, [Customer]).

start_link(Customer) -> gen_server:start_link(?MODULE, Customer, []).

add(Cart, Product, Quantity) -> gen_server:call(Cart, {add, Product, Quantity}).

items(Cart) -> gen_server:call(Cart, items).

close(Cart) -> gen_server:cast(Cart, close).

init(Customer) -> {ok, #{customer => Customer, items => #{}, history => []}}.

handle_call({add, #{id := Id} = Product, Quantity}, _From, #{items := Items, history := History} = State) ->
    New = maps:update_with(Id, fun({P, Had}) -> {P, Had + Quantity} end, {Product, Quantity}, Items),
    shop_stats:count(items_added, Quantity),
    %% The whole cart goes into every log event, and its history with it.
    Next = State#{items := New, history := [{added, Product, Quantity} | History]},
    shop_logger:debug(cart_changed, Next),
    {reply, total(New), Next};
handle_call(items, _From, #{items := Items} = State) ->
    {reply, maps:values(Items), State}.

handle_cast(close, State) -> {stop, normal, State}.

terminate(_Reason, #{customer := Customer}) -> shop_logger:debug(cart_closed, #{customer => Customer}).

total(Items) -> maps:fold(fun(_Id, {#{price := Price}, Quantity}, Sum) -> Sum + Price * Quantity end, 0, Items).
