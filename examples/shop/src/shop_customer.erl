%% One customer: looks around, fills a cart, pays or walks away, and comes back later.
-module(shop_customer).
-export([start_link/2, init/3]).

-define(WISHES, ["tea", "red.*lamp", "(blue|green) chair", "bicycle by (Aurora|Delta)", "oak", "^plain", "umbrella [0-9]+$"]).

start_link(N, PeriodMs) -> proc_lib:start_link(?MODULE, init, [self(), N, PeriodMs]).

init(Parent, N, PeriodMs) ->
    _ = rand:seed(exsss, N),
    proc_lib:init_ack(Parent, {ok, self()}),
    %% Spread the first visits, then keep the rhythm: a slow shop makes customers come late, not more often.
    loop(N, PeriodMs, now_ms() + rand:uniform(PeriodMs)).

loop(N, PeriodMs, Next) ->
    idle_until(Next),
    visit(N),
    loop(N, PeriodMs, max(now_ms(), Next + PeriodMs)).

idle_until(Time) ->
    receive after max(0, Time - now_ms()) -> ok end.

visit(N) ->
    shop_stats:count(visits),
    {ok, Cart} = shop_cart:open(N),
    Found = browse(1 + rand:uniform(3)),
    _ = [add(Cart, Id) || Id <- Found],
    _ = case Found =/= [] andalso rand:uniform(4) > 1 of
        true -> shop_checkout:pay(N, Cart);
        false -> walked_away
    end,
    shop_cart:close(Cart).

browse(0) -> [];
browse(Searches) ->
    Wish = lists:nth(rand:uniform(length(?WISHES)), ?WISHES),
    Chosen = [Id || Id <- shop_catalogue:search(Wish), rand:uniform(6) =:= 1],
    Chosen ++ browse(Searches - 1).

add(Cart, Id) ->
    Product = shop_catalogue:lookup(Id),
    shop_cart:add(Cart, Product, rand:uniform(2)).

now_ms() -> erlang:monotonic_time(millisecond).
