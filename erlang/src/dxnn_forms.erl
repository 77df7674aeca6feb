%% The abstract forms of a trainer's modules, preprocessed as its compiler does.
-module(dxnn_forms).
-export([read/2, includes/1, functions/2, exports/2, records/1, fields/1, calls/1]).
-export_type([form/0, records/0]).

-type form() :: erl_parse:abstract_form().
%% The names of a record's fields, by the record's name.
-type records() :: #{atom() => [atom()]}.

%% Reads module `Name` of the checkout or trainer's directory `Root`, whose sources lie there or
%% in src/; `none` where it has no such module.
-spec read(file:filename(), string()) -> [form()] | none.
read(Root, Name) ->
    Places = [filename:join(Root, Name), filename:join([Root, "src", Name])],
    case [Place || Place <- Places, filelib:is_regular(Place ++ ".erl")] of
        [] ->
            none;
        [Place | _] ->
            {ok, Forms} = epp:parse_file(Place ++ ".erl", [{includes, includes(Root)}]),
            [Form || Form <- Forms, element(1, Form) =/= error]
    end.

%% Where a trainer's header files lie.
-spec includes(file:filename()) -> [file:filename()].
includes(Root) ->
    [filename:join(Root, Place) || Place <- [".", "src", "include"]].

%% Every function of a name, whatever its arity.
-spec functions(atom(), [form()]) -> [form()].
functions(Name, Forms) ->
    [Form || {function, _, Found, _, _} = Form <- Forms, Found =:= Name].

%% Whether a function can be called from outside of its module.
-spec exports({atom(), arity()}, [form()]) -> boolean().
exports(Function, Forms) ->
    Listed = lists:append([List || {attribute, _, export, List} <- Forms]),
    Options = lists:flatten([[Options] || {attribute, _, compile, Options} <- Forms]),
    lists:member(Function, Listed) orelse lists:member(export_all, Options).

%% The records that a module's forms define.
-spec records([form()]) -> records().
records(Forms) ->
    maps:from_list([
        {Name, fields(Fields)} || {attribute, _, record, {Name, Fields}} <- Forms
    ]).

-spec fields([erl_parse:af_field_decl()]) -> [atom()].
fields(Declarations) ->
    [field(Declaration) || Declaration <- Declarations].

field({typed_record_field, Field, _Type}) -> field(Field);
field({record_field, _, {atom, _, Name}}) -> Name;
field({record_field, _, {atom, _, Name}, _Default}) -> Name.

%% The functions of its own module that a form calls.
-spec calls(term()) -> [{atom(), arity()}].
calls({call, _, {atom, _, Name}, Arguments}) ->
    lists:usort([{Name, length(Arguments)} | calls(Arguments)]);
calls({'fun', _, {function, Name, Arity}}) when is_atom(Name), is_integer(Arity) ->
    [{Name, Arity}];
calls(Tuple) when is_tuple(Tuple) ->
    calls(tuple_to_list(Tuple));
calls([Head | Tail]) ->
    lists:umerge(calls(Head), calls(Tail));
calls(_) ->
    [].
