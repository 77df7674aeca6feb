%% Records by the names of their fields, which every trainer may have in an order of its own.
-module(dxnn_fields).
-export([value/3, pairs/2]).

%% A field of a record, or `undefined` where it is no record of a known form with such a field.
-spec value(term(), atom(), dxnn_forms:records()) -> term().
value(Record, Field, Records) ->
    proplists:get_value(Field, pairs(Record, Records)).

%% The fields of a record with their values; none where it is no record of a known form.
-spec pairs(term(), dxnn_forms:records()) -> [{atom(), term()}].
pairs(Record, Records) when is_tuple(Record), tuple_size(Record) > 0 ->
    [Name | Values] = tuple_to_list(Record),
    case Records of
        #{Name := Fields} when length(Fields) =:= length(Values) -> lists:zip(Fields, Values);
        _ -> []
    end;
pairs(_, _) ->
    [].
