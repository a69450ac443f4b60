import { describeBuffer } from '../../contract/buffer.ts';
import { fileHarness, openThread } from './buffer-harness.ts';

describeBuffer({ name: 'on a thread', open: (changes) => fileHarness(openThread, changes) });
