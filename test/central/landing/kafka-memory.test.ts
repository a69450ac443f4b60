import { describeLanding } from '../../contract/landing.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaHarness } from './kafka-harness.ts';

describeLanding({
  name: 'Kafka, in memory',
  dense: false,
  retains: false,
  seams: false,
  open: () => {
    const cluster = new MemoryCluster();
    return kafkaHarness(() => cluster.open());
  },
});
