/*
 * The peer for stream joins: Kafka Streams joins a topic of JSON orders (key = customer id) with a table topic of
 * customer names and writes the enriched JSON to a topic.  Prints the seconds from the first joined record to the last.
 * Arguments: bootstrap input table output records guarantee(exactly_once_v2|at_least_once) kind(global|ktable)
 * Needs org.apache.kafka:kafka-streams and jackson-databind (a dependency of kafka-tools) on the class path.
 */
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.ValueJoiner;

public class StreamJoin {
    public static void main(String[] args) throws Exception {
        String input = args[1], table = args[2], output = args[3];
        long records = Long.parseLong(args[4]);
        boolean global = args[6].equals("global");
        Properties p = new Properties();
        p.put("application.id", "peer-" + System.nanoTime());
        p.put("bootstrap.servers", args[0]);
        p.put("processing.guarantee", args[5]);
        p.put("auto.offset.reset", "earliest");
        p.put("num.stream.threads", "1");
        p.put("state.dir", Files.createTempDirectory("streams").toString());
        p.put("default.key.serde", Serdes.StringSerde.class);
        p.put("default.value.serde", Serdes.StringSerde.class);

        ObjectMapper json = new ObjectMapper();
        AtomicLong joined = new AtomicLong(), first = new AtomicLong();
        ValueJoiner<String, String, String> joiner = (order, customer) -> {
            try {
                first.compareAndSet(0, System.nanoTime());
                ObjectNode o = (ObjectNode) json.readTree(order);
                o.put("customer", customer);
                joined.incrementAndGet();
                return json.writeValueAsString(o);
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        };
        StreamsBuilder b = new StreamsBuilder();
        KStream<String, String> orders = b.stream(input);
        if (global) orders.join(b.globalTable(table), (k, v) -> k, joiner).to(output);
        else orders.join(b.table(table), joiner).to(output);

        KafkaStreams streams = new KafkaStreams(b.build(), p);
        long start = System.nanoTime();
        streams.start();
        while (joined.get() < records) Thread.sleep(20);
        long end = System.nanoTime();
        System.out.printf("%.4f%n", (end - first.get()) / 1e9);
        streams.close();
    }
}
