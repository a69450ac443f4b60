import { test } from 'vitest';
import { kafkaMissing } from '../kafka/missing.ts';
import { resumeGroups } from './group-resume.ts';

if (kafkaMissing) console.log(`Skipped: ${kafkaMissing}`);

test.skipIf(kafkaMissing)(
  'a Java consumer group goes on at central where it stopped at its site, 500 000 records behind',
  () => resumeGroups(550_000, [500_000]),
  900_000,
);
