import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache's own producer, told what to do. Standard input: first a JSON object of its settings, then
 * a JSON line each: a record {topic, partition, timestamp, key, value, headers} with bytes in
 * base64 or null, many made-up ones {do: "generate", topic, partition, count, bytes, seed, keys}, or
 * {do: "begin" | "commit" | "abort" | "flush"}, or {do: "create", topic, partitions, configs}. Prints one line for each record line, in order:
 * {topic, partition, offset, timestamp} (offset -1 in what was aborted before it was sent).
 */
public class Write {
  static final ObjectMapper json = new ObjectMapper();
  static final Properties settings = new Properties();
  static final ArrayList<Future<RecordMetadata>> sent = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    json.readTree(input.readLine()).fields()
        .forEachRemaining(e -> settings.put(e.getKey(), e.getValue().asText()));
    var bytes = new ByteArraySerializer();
    try (var producer = new KafkaProducer<byte[], byte[]>(settings, bytes, bytes)) {
      if (settings.containsKey("transactional.id")) producer.initTransactions();
      for (String text; (text = input.readLine()) != null; ) perform(producer, json.readTree(text));
      producer.flush();
      for (var one : sent) System.out.println(line(one));
    }
  }

  static void perform(KafkaProducer<byte[], byte[]> producer, JsonNode order) throws Exception {
    switch (order.path("do").asText("send")) {
      case "send" -> sent.add(producer.send(record(order)));
      case "generate" -> generate(producer, order);
      case "begin" -> producer.beginTransaction();
      case "commit" -> producer.commitTransaction();
      case "abort" -> {
        // What is to be seen as aborted has to be in the log first.
        producer.flush();
        producer.abortTransaction();
      }
      case "flush" -> producer.flush();
      case "create" -> create(order);
      default -> throw new IllegalArgumentException(order.toString());
    }
  }

  static void create(JsonNode order) throws Exception {
    var configs = new HashMap<String, String>();
    order.path("configs").fields().forEachRemaining(e -> configs.put(e.getKey(), e.getValue().asText()));
    var partitions = Optional.of(order.path("partitions").asInt(1));
    var topic = new NewTopic(order.get("topic").asText(), partitions, Optional.empty());
    try (var admin = Admin.create(settings)) {
      admin.createTopics(List.of(topic.configs(configs))).all().get();
    }
  }

  /** Values of random printable bytes; keys `k0`, `k1`, … in turn; the value begins `seed:n:`. */
  static void generate(KafkaProducer<byte[], byte[]> producer, JsonNode order) throws Exception {
    var random = new Random(order.path("seed").asLong(1));
    var keys = order.path("keys").asInt(100);
    var partition = order.has("partition") ? order.get("partition").asInt() : null;
    Future<RecordMetadata> last = null;
    for (int n = 0; n < order.get("count").asInt(); n++) {
      var value = new byte[order.path("bytes").asInt(100)];
      for (int i = 0; i < value.length; i++) value[i] = (byte) (' ' + random.nextInt(95));
      var mark = (order.path("seed").asLong(1) + ":" + n + ":").getBytes(StandardCharsets.UTF_8);
      System.arraycopy(mark, 0, value, 0, Math.min(mark.length, value.length));
      var key = ("k" + n % keys).getBytes(StandardCharsets.UTF_8);
      last = producer.send(new ProducerRecord<>(order.get("topic").asText(), partition, key, value));
    }
    if (last != null) last.get();
  }

  static ProducerRecord<byte[], byte[]> record(JsonNode order) {
    var made = new ProducerRecord<>(
        order.get("topic").asText(),
        order.hasNonNull("partition") ? order.get("partition").asInt() : null,
        order.hasNonNull("timestamp") ? order.get("timestamp").asLong() : null,
        bytes(order.path("key")),
        bytes(order.path("value")));
    for (var header : order.path("headers")) {
      made.headers().add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
    }
    return made;
  }

  static byte[] bytes(JsonNode node) {
    return node.isTextual() ? Base64.getDecoder().decode(node.asText()) : null;
  }

  static String line(Future<RecordMetadata> one) {
    var node = json.createObjectNode();
    try {
      var where = one.get();
      node.put("topic", where.topic()).put("partition", where.partition());
      node.put("offset", where.hasOffset() ? where.offset() : -1).put("timestamp", where.timestamp());
    } catch (Exception error) {
      node.put("error", String.valueOf(error.getCause()));
    }
    return node.toString();
  }
}
