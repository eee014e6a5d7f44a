# kafka_fdw: make && make install
#
# make installcheck needs a running server with the extension installed and a Kafka broker, whose address
# is in KAFKA_BOOTSTRAP_SERVERS. test/run.sh brings both of its own and runs all tests.
#
#   make WERROR=1   warnings are errors

EXTENSION = kafka_fdw
DATA = $(wildcard sql/kafka_fdw--*.sql)
MODULE_big = kafka_fdw
# every .c file of src/ and the folders in it, sorted
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
PG_CPPFLAGS = -I$(srcdir)/src
# Unused parameters are common in callbacks, and PostgreSQL's own headers compare signs. -MMD: what each
# object was made from, as PostgreSQL as packaged is configured without dependency tracking
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -MMD -MP
ifdef WERROR
PG_CFLAGS += -Werror
endif
SHLIB_LINK = -lrdkafka

# The regression tests are the inputs in sql/; each makes and drops what it needs, so their order is free
REGRESS = $(sort $(filter-out kafka_fdw--%,$(notdir $(basename $(wildcard sql/*.sql)))))
ISOLATION = $(sort $(notdir $(basename $(wildcard test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --outputdir=output_iso

EXTRA_CLEAN = $(OBJS:.o=.d) test/lib/kafka_tool output_iso

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# PostgreSQL as packaged wants bitcode for its just-in-time compiler; without its clang and LLVM, do without
pg_global := $(dir $(PGXS))../Makefile.global
llvm_needs := $(shell sed -n 's/^CLANG *= *//p; s/^LLVM_BINPATH *= *\(.*\)/\1\/llvm-lto/p' $(pg_global))
ifneq ($(words $(llvm_needs)),$(words $(foreach f,$(llvm_needs),$(shell command -v $(f)))))
override with_llvm := no
endif

include $(PGXS)

-include $(OBJS:.o=.d)
# bitcode follows its object, and so the headers too
$(OBJS:.o=.bc): %.bc: %.o

# What the tests find in their environment: the broker's address, also for those that cannot read the
# environment, and the client program that they prepare topics with
installcheck: test/lib/kafka_tool
installcheck: export KAFKA_BOOTSTRAP_SERVERS ?= localhost:9092
installcheck: export PGOPTIONS += -c kafka_test.bootstrap_servers=$(KAFKA_BOOTSTRAP_SERVERS)
installcheck: export PATH := $(CURDIR)/test/lib:$(PATH)

test/lib/kafka_tool: test/lib/kafka_tool.c
	$(CC) -O1 -Wall -Wextra -o $@ $< -lrdkafka
