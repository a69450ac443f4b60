import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.mirror.MirrorClient;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/**
 * What Apache's own MirrorMaker client makes of a cluster. Standard input: one JSON object
 * {client: {settings}, alias, groups: []}. Prints one: {heartbeatTopics, checkpointTopics,
 * upstreamClusters, remoteTopics, remoteTopicsOfAlias, replicationHops, groups: {group:
 * {translateOffsets, remoteConsumerOffsets: [{topic, partition, offset, metadata}]}}}.
 */
public class Mirror {
  static final ObjectMapper json = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    var order = json.readTree(System.in);
    var settings = new HashMap<String, Object>();
    order.path("client").fields().forEachRemaining(e -> settings.put(e.getKey(), e.getValue().asText()));
    var alias = order.path("alias").asText();
    var patience = Duration.ofSeconds(30);
    var answer = json.createObjectNode();
    try (var client = new MirrorClient(settings)) {
      list(answer.putArray("heartbeatTopics"), client.heartbeatTopics());
      list(answer.putArray("checkpointTopics"), client.checkpointTopics());
      list(answer.putArray("upstreamClusters"), client.upstreamClusters());
      list(answer.putArray("remoteTopics"), client.remoteTopics());
      list(answer.putArray("remoteTopicsOfAlias"), client.remoteTopics(alias));
      answer.put("replicationHops", client.replicationHops(alias));
      var groups = answer.putObject("groups");
      for (var each : order.path("groups")) {
        var group = each.asText();
        var found = groups.putObject(group);
        offsets(found, "remoteConsumerOffsets", client.remoteConsumerOffsets(group, alias, patience));
        offsets(found, "translateOffsets",
            RemoteClusterUtils.translateOffsets(settings, alias, group, patience));
      }
    }
    System.out.println(answer);
  }

  static void list(ArrayNode into, Iterable<String> names) {
    var sorted = new TreeSet<String>();
    names.forEach(sorted::add);
    sorted.forEach(into::add);
  }

  static void offsets(ObjectNode into, String name, Map<TopicPartition, OffsetAndMetadata> offsets) {
    var array = into.putArray(name);
    offsets.entrySet().stream()
        .sorted((a, b) -> a.getKey().toString().compareTo(b.getKey().toString()))
        .forEach(e -> array.addObject()
            .put("topic", e.getKey().topic())
            .put("partition", e.getKey().partition())
            .put("offset", e.getValue().offset())
            .put("metadata", e.getValue().metadata()));
  }
}
