import { globalSetup } from "tokentape";

export default globalSetup();
