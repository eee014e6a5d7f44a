#!/bin/bash
# Writes the list of all options as the extension itself knows them: kafka.options() of the server that psql
# connects to, in whose database the extension is.
#
#   doc/options.sh >doc/options.md
set -euo pipefail

# options CONDITION SET_ON: the table of the options that fulfil a condition; SET_ON (true or false): a column says
# where they may be set
options() {
	local condition=$1 set_on=$2
	psql -XAtq -v ON_ERROR_STOP=1 -v set_on="$set_on" <<-SQL
		SELECT '| option |' || CASE WHEN :set_on THEN ' set on |' ELSE '' END || ' values | default | Kafka''s | |'
		UNION ALL
		SELECT '|---|' || CASE WHEN :set_on THEN '---|' ELSE '' END || '---|---|---|---|';
		SELECT format('| \`%s\` |', option) || CASE WHEN :set_on THEN format(' %s |', allowed) ELSE '' END ||
		       format(' %s | %s | %s | %s |', valid_values, '\`' || nullif(default_value, '') || '\`',
		              '\`' || nullif(kafka_default, '') || '\`', replace(description, '|', '\|'))
		FROM kafka.options() WHERE $condition;
	SQL
}

cat <<'MD'
# Options

<!-- Written by doc/options.sh; do not edit. -->

Options are named as Kafka's properties, with `_` for `.`; where Java's and librdkafka's names differ, both work ("also").
Every option is checked when it is set: name, place, value and conflicts, those of a server also with the defaults of what
it does not set. What depends on several objects, as a table's option beside its server's or a default, is checked when the
table is used: what is for writing when it is written to. One conflict is found only where both are set on one server: a
`delivery_timeout_ms` below `linger_ms` and `socket_timeout_ms` together. Elsewhere a record is given up while the answer to
its first request may still come. Files, certificates and keys are read when a client connects. A table's options override
its server's.

```sql
SELECT option, value, set_where FROM kafka.options('orders');   -- what counts for a table, and where it was set
SELECT option, client_property, default_value FROM kafka.options();   -- all that there are
```

An empty default means that the option is not set, or that the client library decides. *Kafka's* is the default of
Kafka's Java clients, where they have the option.

## Server

MD
options "allowed = 'server'" false
cat <<'MD'

## User mapping

Credentials: needed only where the broker asks for them. `kafka.options()` hides their values; the catalogs show them to
whom they show those of any user mapping. The mapping of the user who reads or writes counts, else the one for `PUBLIC`.

MD
options "allowed = 'user mapping'" false
cat <<'MD'

## Foreign table

What may also be set on a server counts for all its tables.

### Reading and writing

MD
options "allowed ~ 'table' AND used_for IS NULL" true
cat <<'MD'

### Reading

MD
options "allowed ~ 'table' AND used_for = 'reading'" true
cat <<'MD'

### Writing

MD
options "allowed ~ 'table' AND used_for = 'writing'" true
cat <<'MD'

## Column

MD
options "allowed = 'column'" false
