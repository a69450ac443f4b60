import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What a cluster does for whoever is in no way special: Apache's own producers, each of which commits
 * one small transaction after the other, with a breath between. Arguments: bootstrap servers, topic,
 * how many. Prints a line with the producer's number after each commit; ends with its standard input.
 */
public class Steady {
  static String[] arguments;

  public static void main(String[] args) throws Exception {
    arguments = args;
    for (int i = 0; i < Integer.parseInt(args[2]); i++) {
      int number = i;
      var thread = new Thread(() -> commitForever(number));
      thread.setDaemon(true);
      thread.start();
    }
    while (System.in.read() >= 0) {}
    System.exit(0);
  }

  static void commitForever(int number) {
    for (; ; ) {
      try (var producer = open(number)) {
        producer.initTransactions();
        for (; ; ) {
          commit(producer, number);
          System.out.println(number);
          Thread.sleep(250);
        }
      } catch (KafkaException again) {
        System.err.println(number + ": " + again);
      } catch (Throwable broken) {
        // Whoever reads our lines must not wait for a thread that is gone.
        broken.printStackTrace();
        System.exit(1);
      }
    }
  }

  /** One that was aborted is tried again with the same producer, as Kafka's documentation says. */
  static void commit(KafkaProducer<byte[], byte[]> producer, int number) throws Exception {
    for (; ; ) {
      producer.beginTransaction();
      try {
        producer.send(new ProducerRecord<>(arguments[1], number, null, new byte[100])).get();
        producer.commitTransaction();
        return;
      } catch (ExecutionException failed) {
        producer.abortTransaction();
      }
    }
  }

  static KafkaProducer<byte[], byte[]> open(int number) {
    var bytes = new ByteArraySerializer();
    var settings =
        Map.<String, Object>of(
            "bootstrap.servers", arguments[0],
            "transactional.id", "steady-" + number,
            "transaction.timeout.ms", 10_000,
            "buffer.memory", 1_048_576L);
    return new KafkaProducer<>(settings, bytes, bytes);
  }
}
