/*
 * json_fields.c
 *	  The tree is built once; while a record is parsed it is walked along with the
 *	  objects that lead to a needed field.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "format/json_fields.h"
#include "format/json_string.h"

/* Sets the name as it stands in JSON, with the colon. */
static void
set_label(JsonField *field)
{
	StringInfoData label;

	initStringInfo(&label);
	kfdw_json_append_string(&label, field->name, field->len);
	appendStringInfoChar(&label, ':');
	field->label = label.data;
	field->label_len = label.len;
}

/* The child of this name, made if there is none. */
static JsonField *
get_child(JsonField *object, const char *name, bool any_case)
{
	JsonField  *child;

	for (int i = 0; i < object->nchildren; i++)
	{
		if (strcmp(object->children[i]->name, name) == 0)
		{
			object->children[i]->any_case |= any_case;
			return object->children[i];
		}
	}

	child = palloc0(sizeof(JsonField));
	child->name = name;
	child->len = strlen(name);
	set_label(child);
	child->any_case = any_case;

	if (object->nchildren == 0)
		object->children = palloc(sizeof(JsonField *));
	else
		object->children = repalloc(object->children, sizeof(JsonField *) * (object->nchildren + 1));
	object->children[object->nchildren++] = child;
	return child;
}

/* The next name of a dotted path, and the path moved behind it; NULL at its end. */
static const char *
next_name(const char **path)
{
	StringInfoData name;
	const char *p = *path;

	if (p == NULL)
		return NULL;

	initStringInfo(&name);
	for (; *p != '\0' && *p != '.'; p++)
	{
		if (p[0] == '\\' && p[1] == '.')
			p++;
		appendStringInfoChar(&name, *p);
	}
	*path = *p == '.' ? p + 1 : NULL;
	return name.data;
}

/* The field that a column's option "field" names. */
static JsonField *
add_path(JsonFields *fields, const KafkaField *owner)
{
	JsonField  *field = &fields->root;
	const char *path = owner->path;
	const char *name;

	while ((name = next_name(&path)) != NULL)
		field = get_child(field, name, false);
	return field;
}

bool
kfdw_json_path_has_names(const char *path)
{
	const char *name;

	while ((name = next_name(&path)) != NULL)
		if (name[0] == '\0')
			return false;
	return true;
}

/* The column of a field or of the first field below it, NULL when there is none. */
static const JsonColumn *
first_column(const JsonField *field)
{
	const JsonColumn *column = field->column;

	check_stack_depth();
	for (int i = 0; column == NULL && i < field->nchildren; i++)
		column = first_column(field->children[i]);
	return column;
}

/* Finds a column that is also an object in which another column is a field. */
static void
find_nested(JsonFields *fields, const JsonField *field)
{
	check_stack_depth();
	if (field->column != NULL && field->nchildren > 0)
	{
		fields->conflict[0] = field->column;
		fields->conflict[1] = first_column(field->children[0]);
	}
	for (int i = 0; i < field->nchildren; i++)
		find_nested(fields, field->children[i]);
}

/* Adds a column to the tree. */
static void
add_column(JsonFields *fields, KafkaField *owner)
{
	JsonColumn *json_column = &fields->columns[fields->ncolumns++];
	JsonField  *field;

	json_column->column = owner->column;
	json_column->owner = owner;
	if (owner->whole)
		field = &fields->root;
	else if (owner->path != NULL)
		field = add_path(fields, owner);
	else
		field = get_child(&fields->root, owner->column->name, true);
	json_column->field = field;

	if (field->column == NULL)
		field->column = json_column;
	else
	{
		fields->conflict[0] = field->column;
		fields->conflict[1] = json_column;
	}
}

/*
 * Columns that are not needed are in the tree too: a field that is theirs by its
 * exact name is no other column's in another case.
 */
JsonFields *
kfdw_json_fields_create(KafkaFields *owners)
{
	JsonFields *fields = palloc0(sizeof(JsonFields));

	fields->is_key = owners->is_key;
	fields->columns = palloc0(sizeof(JsonColumn) * Max(owners->count, 1));
	for (int i = 0; i < owners->count; i++)
		add_column(fields, &owners->field[i]);
	find_nested(fields, &fields->root);
	return fields;
}

/* Reading such columns is fine: both get the field, or the field and the object. */
void
kfdw_json_fields_check_writable(const JsonFields *fields)
{
	if (fields->conflict[0] == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("columns \"%s\" and \"%s\" cannot both be written",
					fields->conflict[0]->column->name, fields->conflict[1]->column->name),
			 errdetail("They are the same field in JSON, or one is inside the other.")));
}

/* What was found in an older record has that one's number. */
void
kfdw_json_fields_reset(JsonFields *fields)
{
	fields->record++;
	fields->root.next = 0;
}

/* True when this record has the field. */
bool
kfdw_json_fields_found(const JsonFields *fields, const JsonField *field)
{
	return field->record == fields->record;
}

/* The child of exactly this name; fields usually come in the same order. */
static JsonField *
find_exact(JsonField *object, const char *name, size_t len)
{
	int			i = object->next;

	for (int tried = 0; tried < object->nchildren; tried++, i++)
	{
		JsonField  *child;

		if (i >= object->nchildren)
			i = 0;
		child = object->children[i];
		if (child->len == len && memcmp(child->name, name, len) == 0)
		{
			object->next = i + 1;
			return child;
		}
	}
	return NULL;
}

/* The first child of this name in another case that allows it. */
static JsonField *
find_any_case(const JsonField *object, const char *name, size_t len)
{
	for (int i = 0; i < object->nchildren; i++)
	{
		JsonField  *child = object->children[i];

		if (child->any_case && child->len == len && pg_strncasecmp(child->name, name, len) == 0)
			return child;
	}
	return NULL;
}

/* Forgets what was found inside a field, which now comes a second time. */
static void
forget_children(JsonField *field)
{
	check_stack_depth();
	for (int i = 0; i < field->nchildren; i++)
	{
		field->children[i]->record = 0;
		forget_children(field->children[i]);
	}
}

/* The last of duplicates counts, but none in another case after the exact name. */
JsonField *
kfdw_json_fields_match(JsonFields *fields, JsonField *object, const char *name, size_t len)
{
	JsonField  *field = find_exact(object, name, len);
	bool		exact = field != NULL;

	if (!exact)
		field = find_any_case(object, name, len);
	if (field == NULL)
		return NULL;

	if (field->record == fields->record)
	{
		if (field->exact && !exact)
			return NULL;
		forget_children(field);
	}
	field->record = fields->record;
	field->exact = exact;
	field->next = 0;
	return field;
}
