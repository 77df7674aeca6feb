%% JSON as this project's programs tell each other things: printable ASCII, on one line.
-module(dxnn_json).
-export([object/1]).
-export_type([value/0]).

-type value() ::
    null | boolean() | number() | binary() | [value()] | {object, [{string(), value()}]}.

%% A JSON object with its members in the given order. Binaries are UTF-8 texts.
-spec object([{string(), value()}]) -> iolist().
object(Members) ->
    [${, lists:join(", ", [[text(Name), ": ", encode(Value)] || {Name, Value} <- Members]), $}].

encode(null) -> "null";
encode(true) -> "true";
encode(false) -> "false";
encode(Integer) when is_integer(Integer) -> integer_to_list(Integer);
encode(Float) when is_float(Float) -> io_lib:format("~w", [Float]);
encode(Text) when is_binary(Text) -> text(unicode:characters_to_list(Text));
encode(List) when is_list(List) -> [$[, lists:join(", ", [encode(Value) || Value <- List]), $]];
encode({object, Members}) -> object(Members).

text(Characters) ->
    [$", [escape(C) || C <- Characters], $"].

escape(C) when C =:= $"; C =:= $\\ -> [$\\, C];
escape(C) when C >= 32, C < 127 -> C;
escape(C) when C > 16#ffff ->
    <<High:16, Low:16>> = <<C/utf16>>,
    [escape(High), escape(Low)];
escape(C) -> io_lib:format("\\u~4.16.0b", [C]).
