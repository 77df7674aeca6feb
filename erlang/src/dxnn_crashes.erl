%% Remembers that processes of the trainer crashed, and why: DXNN goes on waiting for them.
-module(dxnn_crashes).
-export([start/0, told/0]).
-export([log/2]).

-define(CHARACTERS, 300).

%% From now on crashes are counted.
-spec start() -> ok.
start() ->
    ?MODULE = ets:new(?MODULE, [named_table, public]),
    true = ets:insert(?MODULE, {count, 0}),
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => error}).

%% How many there were, and the last; empty where there was none.
-spec told() -> iolist().
told() ->
    case {ets:lookup_element(?MODULE, count, 2), ets:lookup(?MODULE, last)} of
        {0, _} -> "";
        {Count, [{last, Text}]} -> io_lib:format("; ~b crashes, the last: ~ts", [Count, Text])
    end.

%% The logger's callback, in the process that logs.
-spec log(logger:log_event(), logger:handler_config()) -> ok.
log(Event, _Config) ->
    Line = logger_formatter:format(Event, #{
        single_line => true, template => [msg], depth => 12, max_size => ?CHARACTERS
    }),
    try
        ets:insert(?MODULE, {last, string:trim(Line)}),
        ets:update_counter(?MODULE, count, 1)
    of
        _ -> ok
    catch
        error:badarg -> ok
    end.
