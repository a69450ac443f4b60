import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Apache's own consumer, printing a JSON line a record. Standard input: one JSON object
 * {topics, max, commit, group, timeoutMs, client: {consumer settings}}. Without a group it reads
 * from the beginning to the end as it is at the start; with one it goes on where the group is, and
 * with `commit` it commits exactly what it has printed. `max` ends it earlier.
 */
public class Read {
  static final ObjectMapper json = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    var order = json.readTree(System.in);
    var settings = new Properties();
    order.path("client").fields().forEachRemaining(e -> settings.put(e.getKey(), e.getValue().asText()));
    settings.putIfAbsent("auto.offset.reset", "earliest");
    settings.putIfAbsent("enable.auto.commit", "false");
    var group = order.path("group").asText("");
    if (!group.isEmpty()) settings.put("group.id", group);
    var max = order.path("max").asLong(Long.MAX_VALUE);
    var patience = order.path("timeoutMs").asLong(30_000);
    List<String> topics = json.convertValue(order.get("topics"), json.getTypeFactory()
        .constructCollectionType(List.class, String.class));
    var out = new BufferedWriter(new OutputStreamWriter(System.out, "UTF-8"), 1 << 16);
    var code = 0;
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
      var partitions = partitionsOf(consumer, topics);
      // With read_committed this is the last stable offset: an open transaction ends the reading.
      var ends = consumer.endOffsets(partitions);
      if (group.isEmpty()) {
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
      } else {
        consumer.subscribe(topics);
      }
      var next = new HashMap<TopicPartition, OffsetAndMetadata>();
      var deadline = System.nanoTime() + patience * 1_000_000;
      long count = 0;
      while (count < max && !(arrived(consumer, ends, group.isEmpty() ? partitions : null))) {
        if (System.nanoTime() > deadline) {
          System.err.println("gave up after " + count + " records");
          code = 3;
          break;
        }
        for (var record : consumer.poll(Duration.ofMillis(100))) {
          if (count == max) break;
          out.write(line(record));
          count++;
          next.put(new TopicPartition(record.topic(), record.partition()),
              new OffsetAndMetadata(record.offset() + 1));
        }
      }
      if (order.path("commit").asBoolean(false)) consumer.commitSync(next);
    }
    out.flush();
    System.exit(code);
  }

  static Set<TopicPartition> partitionsOf(KafkaConsumer<?, ?> consumer, List<String> topics) {
    var partitions = new HashSet<TopicPartition>();
    for (var topic : topics) {
      for (var info : consumer.partitionsFor(topic)) {
        partitions.add(new TopicPartition(topic, info.partition()));
      }
    }
    return partitions;
  }

  /** Of all partitions, or of those that the group gave us: all of them, as we are alone. */
  static boolean arrived(KafkaConsumer<?, ?> consumer, Map<TopicPartition, Long> ends,
      Set<TopicPartition> assigned) {
    var of = assigned == null ? consumer.assignment() : assigned;
    if (of.size() < ends.size()) {
      return false;
    }
    return of.stream().allMatch(each -> consumer.position(each) >= ends.get(each));
  }

  static String line(ConsumerRecord<byte[], byte[]> record) throws Exception {
    ObjectNode node = json.createObjectNode();
    node.put("topic", record.topic());
    node.put("partition", record.partition());
    node.put("offset", record.offset());
    node.put("timestamp", record.timestamp());
    node.put("timestampType", record.timestampType().name);
    node.put("key", base64(record.key()));
    node.put("value", base64(record.value()));
    ArrayNode headers = node.putArray("headers");
    for (Header header : record.headers()) {
      headers.addArray().add(header.key()).add(base64(header.value()));
    }
    return json.writeValueAsString(node) + "\n";
  }

  static String base64(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }
}
