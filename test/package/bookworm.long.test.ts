import { lifeOfPackages } from './life.ts';

lifeOfPackages('bookworm');
