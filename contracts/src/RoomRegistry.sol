// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Who is in which room
/// @notice The one truth about membership that relays, key nodes and browsers ask. It holds addresses
/// and roles only: no names, no content, no keys. Nobody outside a room can change it, not even
/// whoever deployed this contract.
/// @dev Every check is O(1). The member list is an array beside the mapping, kept dense by moving its
/// last entry into a gap, so its order means nothing and a page may shift while members change.
contract RoomRegistry {
    /// @notice What a person may do in a room; each role includes the ones before it.
    /// None: nothing. Member: read and take part. Moderator: add and remove members. Owner: everything.
    enum Role {
        None,
        Member,
        Moderator,
        Owner
    }

    struct Room {
        address owner;
        bool archived;
        /// Whom the owner offered the room to; zero when nobody.
        address offeredTo;
        address[] people;
    }

    /// A person's place in a room: one storage slot, so that `isAllowed` reads one word.
    struct Seat {
        Role role;
        uint64 position;
    }

    /// @notice The block this registry was deployed in: nothing of it can be in an earlier one, so a
    /// reader of its events starts here.
    // Deliberately no immutable: the code on chain stays equal to the checked-in artifact, byte for byte.
    uint256 public firstBlock;

    mapping(bytes32 room => Room) private rooms;
    mapping(bytes32 room => mapping(address person => Seat)) private seats;

    event RoomCreated(bytes32 indexed room, address indexed owner);
    /// @notice Emitted for the owner, too, when the room is created.
    event MemberAdded(bytes32 indexed room, address indexed person, address indexed by);
    event MemberRemoved(bytes32 indexed room, address indexed person, address indexed by);
    /// @notice A member's role is now `role`. A new member without this event is a plain Member.
    event RoleChanged(bytes32 indexed room, address indexed person, uint8 role);
    /// @notice `to` may accept the room; zero means that an earlier offer is withdrawn.
    event OwnershipOffered(bytes32 indexed room, address indexed owner, address indexed to);
    event RoomArchived(bytes32 indexed room);

    error NoSuchRoom(bytes32 room);
    error RoomExists(bytes32 room);
    error RoomIsArchived(bytes32 room);
    /// `person` has `role`, and the call needs more.
    error NotPermitted(bytes32 room, address person, Role role);
    error NotAMember(bytes32 room, address person);
    /// The owner hands the room over first, and can be removed or given a lesser role only then.
    error OwnerStays(bytes32 room, address owner);
    error NothingOffered(bytes32 room, address person);
    error ZeroAddress();

    constructor() {
        firstBlock = block.number;
    }

    /// @notice The id of the room that `creator` makes with `salt`. The creator is part of it, so
    /// nobody can take an id that somebody else has computed and not created yet.
    function roomId(address creator, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(creator, salt));
    }

    /// @notice Creates a room owned by the caller, with `members` in it. Members that are named twice
    /// count once.
    function createRoom(bytes32 salt, address[] calldata members_) external returns (bytes32 room) {
        room = roomId(msg.sender, salt);
        Room storage r = rooms[room];
        if (r.owner != address(0)) revert RoomExists(room);
        r.owner = msg.sender;
        emit RoomCreated(room, msg.sender);
        _add(room, msg.sender);
        _setRole(room, msg.sender, Role.Owner);
        for (uint256 i = 0; i < members_.length; i++) {
            _add(room, members_[i]);
        }
    }

    /// @notice Adds people as plain members. Whoever is in already stays as they are.
    function addMembers(bytes32 room, address[] calldata persons) external {
        _open(room);
        _atLeast(room, Role.Moderator);
        for (uint256 i = 0; i < persons.length; i++) {
            _add(room, persons[i]);
        }
    }

    /// @notice Removes people; whoever is not in is skipped. A moderator removes plain members only,
    /// the owner anybody but the owner.
    function removeMembers(bytes32 room, address[] calldata persons) external {
        _open(room);
        Role mine = _atLeast(room, Role.Moderator);
        for (uint256 i = 0; i < persons.length; i++) {
            address person = persons[i];
            if (person == address(0)) revert ZeroAddress();
            Role theirs = seats[room][person].role;
            if (theirs == Role.None) continue;
            if (theirs == Role.Owner) revert OwnerStays(room, person);
            if (theirs >= mine) revert NotPermitted(room, msg.sender, mine);
            _remove(room, person);
        }
    }

    /// @notice The owner makes a member a moderator, or a plain member again.
    function setModerator(bytes32 room, address person, bool on) external {
        _open(room);
        _atLeast(room, Role.Owner);
        Role theirs = seats[room][person].role;
        if (theirs == Role.None) revert NotAMember(room, person);
        if (theirs == Role.Owner) revert OwnerStays(room, person);
        Role wanted = on ? Role.Moderator : Role.Member;
        if (theirs != wanted) _setRole(room, person, wanted);
    }

    /// @notice The caller leaves. The owner hands the room over first.
    function leave(bytes32 room) external {
        _open(room);
        Role mine = _atLeast(room, Role.Member);
        if (mine == Role.Owner) revert OwnerStays(room, msg.sender);
        _remove(room, msg.sender);
    }

    /// @notice Offers the room to a member, who owns it once they accept. An offer replaces the one
    /// before; the zero address withdraws it.
    function transferOwnership(bytes32 room, address to) external {
        Room storage r = _open(room);
        _atLeast(room, Role.Owner);
        if (to == msg.sender) revert OwnerStays(room, to);
        if (to != address(0) && seats[room][to].role == Role.None) revert NotAMember(room, to);
        r.offeredTo = to;
        emit OwnershipOffered(room, msg.sender, to);
    }

    /// @notice Takes the room that was offered to the caller. The owner before becomes a moderator.
    function acceptOwnership(bytes32 room) external {
        Room storage r = _open(room);
        if (r.offeredTo != msg.sender) revert NothingOffered(room, msg.sender);
        address before = r.owner;
        r.offeredTo = address(0);
        r.owner = msg.sender;
        _setRole(room, before, Role.Moderator);
        _setRole(room, msg.sender, Role.Owner);
    }

    /// @notice Freezes the room for good: members keep reading, nobody is added, removed or promoted.
    function archive(bytes32 room) external {
        Room storage r = _open(room);
        _atLeast(room, Role.Owner);
        r.archived = true;
        emit RoomArchived(room);
    }

    /// @notice Whether `person` may read the room: true for every role, in archived rooms, too. False
    /// for a room that does not exist.
    function isAllowed(bytes32 room, address person) external view returns (bool) {
        return seats[room][person].role != Role.None;
    }

    function roleOf(bytes32 room, address person) external view returns (Role) {
        return seats[room][person].role;
    }

    /// @notice The owner; zero when the room does not exist.
    function ownerOf(bytes32 room) external view returns (address) {
        return rooms[room].owner;
    }

    function isArchived(bytes32 room) external view returns (bool) {
        return rooms[room].archived;
    }

    /// @notice How many people are in the room, its owner included.
    function memberCount(bytes32 room) external view returns (uint256) {
        return rooms[room].people.length;
    }

    /// @notice A page of the member list: at most `limit` people from `offset` on, fewer at its end,
    /// none beyond it. Pages fit together only when read at the same block.
    function members(bytes32 room, uint256 offset, uint256 limit)
        external
        view
        returns (address[] memory page)
    {
        address[] storage people = rooms[room].people;
        if (offset >= people.length) return page;
        uint256 rest = people.length - offset;
        page = new address[](limit < rest ? limit : rest);
        for (uint256 i = 0; i < page.length; i++) {
            page[i] = people[offset + i];
        }
    }

    /// The room, provided that it exists and may still change.
    function _open(bytes32 room) private view returns (Room storage r) {
        r = rooms[room];
        if (r.owner == address(0)) revert NoSuchRoom(room);
        if (r.archived) revert RoomIsArchived(room);
    }

    /// The caller's role, provided that it is `least` or more.
    function _atLeast(bytes32 room, Role least) private view returns (Role mine) {
        mine = seats[room][msg.sender].role;
        if (mine < least) revert NotPermitted(room, msg.sender, mine);
    }

    function _add(bytes32 room, address person) private {
        if (person == address(0)) revert ZeroAddress();
        Seat storage seat = seats[room][person];
        if (seat.role != Role.None) return;
        address[] storage people = rooms[room].people;
        seat.role = Role.Member;
        seat.position = uint64(people.length);
        people.push(person);
        emit MemberAdded(room, person, msg.sender);
    }

    /// Takes a member out, moves the last of the list into the gap, and withdraws an offer to them:
    /// somebody added again later must not find an old offer to accept.
    function _remove(bytes32 room, address person) private {
        Room storage r = rooms[room];
        uint64 position = seats[room][person].position;
        address last = r.people[r.people.length - 1];
        if (last != person) {
            r.people[position] = last;
            seats[room][last].position = position;
        }
        r.people.pop();
        delete seats[room][person];
        if (r.offeredTo == person) {
            r.offeredTo = address(0);
            emit OwnershipOffered(room, r.owner, address(0));
        }
        emit MemberRemoved(room, person, msg.sender);
    }

    function _setRole(bytes32 room, address person, Role role) private {
        seats[room][person].role = role;
        emit RoleChanged(room, person, uint8(role));
    }
}
