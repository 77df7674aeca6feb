%% Reads Erlang source as it lies in a file, macros and all, without losing where anything
%% stands in it.
-module(dxnn_source).
-export([read/1, location/1]).
-export_type([form/0, token/0, location/0]).

-type location() :: {Line :: pos_integer(), Column :: pos_integer()}.
%% A token of erl_scan, and the characters of the text it takes.
-type token() :: {erl_scan:token(), Offset :: non_neg_integer(), Length :: pos_integer()}.
%% One form, with its closing dot. `abstract` is `opaque` for the preprocessor's own lines and
%% for a macro that stands for forms. `conditional`: between -ifdef (or its like) and -endif.
-type form() :: #{abstract := tuple() | opaque, tokens := [token(), ...], conditional := boolean()}.

-define(CONDITIONS, [ifdef, ifndef, 'if']).
-define(PREPROCESSOR, [
    define, undef, include, include_lib, elif, 'else', file, error, warning, endif | ?CONDITIONS
]).

%% The forms and the comments of `Text` (characters, not bytes), or the line where it stops
%% being Erlang and a sentence that says why.
%%
%% In the abstract forms ?MODULE is `benchmarker`, and any other ?NAME is the atom or the call
%% NAME: enough to see the shape of a function, whatever its macros stand for.
-spec read(string()) -> {ok, [form()], Comments :: [string()]} | {error, pos_integer(), string()}.
read(Text) ->
    case erl_scan:string(Text, {1, 1}, [return, text]) of
        {ok, Scanned, _End} ->
            Tokens = place(Scanned),
            Comments = [Comment || {{comment, _, Comment}, _, _} <- Tokens],
            try
                {ok, forms(lists:filter(fun is_code/1, Tokens), 0), Comments}
            catch
                throw:{error, Line, Sentence} -> {error, Line, Sentence}
            end;
        {error, {{Line, _}, Module, Why}, _} ->
            {error, Line, sentence(Module, Why)}
    end.

%% Where a token starts.
-spec location(token()) -> location().
location({Token, _, _}) ->
    element(2, Token).

%% The tokens cover the text without a gap, so that their lengths add up to offsets.
place(Scanned) ->
    {Tokens, _} = lists:mapfoldl(
        fun(Token, Offset) ->
            Length = length(erl_scan:text(Token)),
            Located = setelement(2, Token, erl_scan:location(Token)),
            {{Located, Offset, Length}, Offset + Length}
        end,
        0,
        Scanned
    ),
    Tokens.

is_code({Token, _, _}) ->
    not lists:member(erl_scan:category(Token), [white_space, comment]).

forms([], _Depth) ->
    [];
forms([First | _] = Tokens, Depth) ->
    {Line, _} = location(First),
    case lists:splitwith(fun({Token, _, _}) -> element(1, Token) =/= dot end, Tokens) of
        {_, []} ->
            throw({error, Line, "the form that starts here has no end"});
        {Body, [Dot | Rest]} ->
            Form = Body ++ [Dot],
            Abstract = abstract(Form),
            NewDepth = Depth + step(Form),
            Read = #{abstract => Abstract, tokens => Form, conditional => Depth > 0},
            [Read | forms(Rest, NewDepth)]
    end.

step(Form) ->
    case attribute(Form) of
        endif -> -1;
        Name -> length([C || C <- ?CONDITIONS, C =:= Name])
    end.

attribute([{{'-', _}, _, _}, {{atom, _, Name}, _, _} | _]) -> Name;
attribute([{{'-', _}, _, _}, {{Reserved, _}, _, _} | _]) -> Reserved;
attribute(_) -> none.

abstract([{{'?', _}, _, _} | _]) ->
    opaque;
abstract(Form) ->
    case lists:member(attribute(Form), ?PREPROCESSOR) of
        true ->
            opaque;
        false ->
            case erl_parse:parse_form(plain([Token || {Token, _, _} <- Form])) of
                {ok, Abstract} -> Abstract;
                {error, {{Line, _}, Module, Why}} -> throw({error, Line, sentence(Module, Why)})
            end
    end.

%% A macro's name takes the place of its question mark.
plain([{'?', Location}, {_, _, 'MODULE'} | Rest]) ->
    [{atom, Location, benchmarker} | plain(Rest)];
plain([{'?', Location}, {Category, _, Name} | Rest]) when Category =:= atom; Category =:= var ->
    [{atom, Location, Name} | plain(Rest)];
plain([Token | Rest]) ->
    [Token | plain(Rest)];
plain([]) ->
    [].

sentence(Module, Why) ->
    lists:flatten(Module:format_error(Why)).
