%% The products: one process owns the table and sells from it, everybody reads it directly.
-module(shop_catalogue).
-behaviour(gen_server).
-export([start_link/0, size/0, lookup/1, search/1, reserve/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(RESTOCK_MS, 500).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

size() -> ets:info(?MODULE, size).

lookup(Id) ->
    [{Id, Title, _Text, Price, _Stock}] = ets:lookup(?MODULE, Id),
    #{id => Id, title => Title, price => Price}.

%% Looks at every product there is, and hands the uncompiled pattern to re:run/3 each time.
search(Pattern) ->
    shop_stats:count(searches),
    Found = ets:foldl(fun(Product, Hits) -> match_product(Product, Pattern, Hits) end, [], ?MODULE),
    shop_stats:count(hits, length(Found)),
    lists:sublist([Id || {_Price, Id} <- lists:sort(Found)], 20).

match_product({Id, Title, Text, Price, _Stock}, Pattern, Hits) ->
    case matches(Title, Pattern) orelse matches(Text, Pattern) of
        true -> [{Price, Id} | Hits];
        false -> Hits
    end.

matches(Text, Pattern) -> re:run(Text, Pattern, [caseless, unicode, {capture, none}]) =:= match.

%% Takes the items out of stock, all or none.
reserve(Items) -> gen_server:call(?MODULE, {reserve, Items}).

init([]) ->
    {ok, Count} = application:get_env(shop, products),
    ?MODULE = ets:new(?MODULE, [named_table, protected, ordered_set, {read_concurrency, true}]),
    true = ets:insert(?MODULE, [product(Id) || Id <- lists:seq(1, Count)]),
    {ok, restock_later([])}.

handle_call({reserve, Items}, _From, Sold) ->
    case lists:all(fun in_stock/1, Items) of
        true ->
            _ = [ets:update_counter(?MODULE, Id, {5, -Quantity}) || {Id, Quantity} <- Items],
            {reply, ok, Items ++ Sold};
        false ->
            {reply, {error, out_of_stock}, Sold}
    end.

handle_cast(_Unknown, Sold) -> {noreply, Sold}.

handle_info(restock, Sold) ->
    _ = [ets:update_counter(?MODULE, Id, {5, Quantity}) || {Id, Quantity} <- Sold],
    {noreply, restock_later([])}.

restock_later(Sold) ->
    erlang:send_after(?RESTOCK_MS, self(), restock),
    Sold.

in_stock({Id, Quantity}) -> ets:lookup_element(?MODULE, Id, 5) >= Quantity.

product(Id) ->
    Word = fun(Salt, Words) -> element(1 + erlang:phash2({Id, Salt}, tuple_size(Words)), Words) end,
    Colour = Word(1, {"red", "green", "blue", "striped", "plain"}),
    Thing = Word(2, {"kettle", "lamp", "chair", "teapot", "notebook", "bicycle", "umbrella"}),
    Maker = Word(3, {"Aurora", "Borealis", "Cumulus", "Delta"}),
    Title = unicode:characters_to_binary([Colour, $\s, Thing, " by ", Maker, $\s, integer_to_list(Id)]),
    Text = iolist_to_binary([Title, ", made of ", Word(4, {"steel", "oak", "paper", "glass"}),
                             ", ships within ", integer_to_list(1 + Id rem 9), " days"]),
    {Id, Title, Text, 100 + erlang:phash2(Id, 20000), 5 + Id rem 40}.
