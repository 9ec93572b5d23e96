%% Messages that nobody receives. BOXES=4 processes named unread_1 and so on, every other one with its mailbox off heap. The
%% workload's process sends each of them NOTES=300 times {left, N}, and after every third of them {taken, N}, which they take
%% out from among the others. `stop` waits until they have taken those, kills the last one with all that lies in its mailbox,
%% and asks the VM how long the other mailboxes are. One line each:
%%   box=<0.N.S> sent_left=N sent_taken=N taken=N length=N alive=true|false last_ns=N
%% The length of the one that was killed is what lay there until then; last_ns is when the last message had been sent to it.
-module(unread).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

main() -> workload:run(?MODULE).

prepare() ->
    Boxes = [box(N) || N <- lists:seq(1, workload:env_int("BOXES", 4))],
    {[{boxes, length(Boxes)}], Boxes}.

box(N) ->
    Data = case N rem 2 of 0 -> on_heap; 1 -> off_heap end,
    Box = spawn_opt(fun() -> take(0) end, [{message_queue_data, Data}]),
    register(list_to_atom("unread_" ++ integer_to_list(N)), Box),
    Box.

take(Taken) ->
    receive
        {taken, _} -> take(Taken + 1);
        {tell, From} -> From ! {took, self(), Taken}, take(Taken)
    end.

start(Boxes) ->
    Notes = workload:env_int("NOTES", 300),
    Sent = [{Box, fill(Box, Notes), workload:clock_ns()} || Box <- Boxes],
    {[{notes, Notes}], {Sent, Notes}}.

fill(Box, Notes) ->
    lists:foldl(fun(N, Sent) ->
        Box ! {left, N},
        case N rem 3 of
            0 -> Box ! {taken, N}, Sent + 1;
            _ -> Sent
        end
    end, 0, lists:seq(1, Notes)).

stop({Sent, Notes}) ->
    Lines = [line(Box, Taken, Last, Notes) || {Box, Taken, Last} <- Sent],
    {Killed, _, _} = lists:last(Sent),
    Monitor = monitor(process, Killed),
    exit(Killed, kill),
    receive {'DOWN', Monitor, process, Killed, killed} -> ok end,
    {[Line ++ [{alive, is_process_alive(proplists:get_value(box, Line))}] || Line <- Lines], [{boxes, length(Sent)}]}.

line(Box, SentTaken, Last, Notes) ->
    Box ! {tell, self()},
    Took = receive {took, Box, Taken} -> Taken end,
    {message_queue_len, Length} = process_info(Box, message_queue_len),
    [{box, Box}, {sent_left, Notes}, {sent_taken, SentTaken}, {taken, Took}, {length, Length}, {last_ns, Last}].
