%% A server that has nothing but secrets, for `history`: nothing in its states, its label, its dictionary or in what it is
%% told says that they are.
-module(vault).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

held(N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    {vault, N, Text, [list_to_binary(Text), sekrit], #{Text => sekrit}}.

init({_, N}) ->
    put('$process_label', {vault, "hidden-label"}),
    put({vault, "hidden-key"}, kept),
    {ok, held(N)}.

handle_call({secret, N}, _, _) -> {reply, ok, held(N)}.

handle_cast(_, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.
