import { describeBuffer } from '../../contract/buffer.ts';
import { memoryHarness } from './buffer-harness.ts';

describeBuffer({ name: 'in memory', open: memoryHarness });
