import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writes what Kafka's own producer writes: `JavaBatches BOOTSTRAP`. */
public class JavaBatches {
  static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    List<NewTopic> topics = new ArrayList<>();
    String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
    // The records' times are long past: retention, which looks every few minutes, would take them.
    Map<String, String> keep = Map.of("retention.ms", "-1");
    for (String codec : codecs) topics.add(new NewTopic("codec-" + codec, 1, (short) 1).configs(keep));
    topics.add(new NewTopic("transactions", 1, (short) 1));
    topics.add(new NewTopic("log-append", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime")));
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
      admin.createTopics(topics).all().get();
    }
    for (String codec : codecs) codec(codec, "codec-" + codec);
    codec("none", "log-append");
    transactions();
  }

  static KafkaProducer<byte[], byte[]> producer(String codec, String transactionalId) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("compression.type", codec);
    settings.put("linger.ms", 50);
    if (transactionalId != null) settings.put("transactional.id", transactionalId);
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static void codec(String codec, String topic) {
    try (KafkaProducer<byte[], byte[]> producer = producer(codec, null)) {
      for (int i = 0; i < 500; i++) {
        byte[] value = i % 50 == 7 ? null : bytes("value " + i + " " + "ab".repeat(i % 90));
        byte[] key = i % 50 == 9 ? null : bytes("key " + i % 10);
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(topic, 0, 1700000000000L + i, key, value);
        record.headers().add("b", bytes("1")).add("10", null).add("a", new byte[0]).add("b", bytes("ü"));
        producer.send(record);
        if (i % 200 == 199) producer.flush();
      }
    }
  }

  /** Two producers whose transactions interleave, and one without. */
  static void transactions() throws Exception {
    try (KafkaProducer<byte[], byte[]> one = producer("none", "one");
        KafkaProducer<byte[], byte[]> two = producer("lz4", "two");
        KafkaProducer<byte[], byte[]> plain = producer("none", null)) {
      one.initTransactions();
      two.initTransactions();
      for (int round = 0; round < 20; round++) {
        one.beginTransaction();
        two.beginTransaction();
        String fate = round % 3 == 0 ? "aborted" : "kept";
        String other = round % 4 == 1 ? "aborted" : "kept";
        for (int i = 0; i < 5; i++) {
          send(one, fate + " one " + round + " " + i);
          send(two, other + " two " + round + " " + i);
          send(plain, "kept plain " + round + " " + i);
        }
        if (fate.equals("kept")) one.commitTransaction();
        else one.abortTransaction();
        send(plain, "kept between " + round);
        if (other.equals("kept")) two.commitTransaction();
        else two.abortTransaction();
      }
    }
  }

  /** A batch of its own. */
  static void send(KafkaProducer<byte[], byte[]> producer, String value) throws Exception {
    producer.send(new ProducerRecord<>("transactions", 0, null, bytes(value))).get();
  }
}
